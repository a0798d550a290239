/* SPDX-License-Identifier: Apache-2.0 */
/* Batches for tests: records with sensible defaults, appended one after the other. */
#ifndef COPSE_TEST_BUILDER_H
#define COPSE_TEST_BUILDER_H

#include "table/table.h"

#define TEST_TSC_HZ 1000000000ULL /* a cycle is a nanosecond */
#define TEST_SEQUENCE_BASE 5000

struct builder {
  uint8_t *bytes; /* struct copse_api_batch and operations */
  size_t length, room;
};

/* An empty batch; free it with builder_free. */
struct builder builder_new(void);
void builder_free(struct builder *builder);
void builder_add(struct builder *builder, uint16_t kind, const void *record, size_t record_bytes, const void *tail,
                 size_t tail_bytes);
/* Applies and empties the batch. */
int builder_apply(struct builder *builder, struct copse_table *table, struct copse_api_result *result);
/* The same, failing the test with the sentence when it is refused. */
void builder_commit(struct builder *builder, struct copse_table *table);

struct copse_endpoint ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
struct copse_endpoint ipv6(uint16_t net, uint16_t host, uint16_t port); /* 2001:db8:net::host */

/* 16 links, 32 members, 8 trees, 64 labels, local addresses 10.0.0.1 and 2001:db8:0::1, MTU 1500. */
struct copse_table_config test_config(uint32_t workers);
void fill_key(uint8_t key[COPSE_KEY_BYTES], uint8_t value);

void add_link(struct builder *builder, uint32_t slot, struct copse_endpoint remote, uint64_t budget_bps);
/* Tested every 100 ms; key bytes are 0x20 + slot there and 0x60 + slot back. */
struct copse_api_target target(uint32_t slot, struct copse_endpoint remote);
void add_target(struct builder *builder, const struct copse_api_target *target);
struct copse_api_member member(uint32_t slot, uint32_t label, uint32_t send_tree, struct copse_endpoint address);
void add_member(struct builder *builder, const struct copse_api_member *member);
/* Key bytes are 0x40 + slot for the tree and 0x80 + slot for the area; a root unless label and upstream are changed. */
struct copse_api_tree tree(uint32_t slot, uint64_t id);
void add_tree(struct builder *builder, struct copse_api_tree tree, const struct copse_api_hop *hops, uint32_t count);
void add_slot(struct builder *builder, uint16_t kind, uint32_t slot);
void add_allowance(struct builder *builder, uint32_t slot, uint64_t bytes);
void add_interest(struct builder *builder, struct copse_api_interest interest, const uint64_t *words);

/* The table's dump, allocated. */
void *dump_of(const struct copse_table *table, size_t *bytes);

#endif
