/* SPDX-License-Identifier: Apache-2.0 */
#include "builder.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct builder
builder_new(void) {
  struct builder builder = {.bytes = malloc(4096), .length = sizeof(struct copse_api_batch), .room = 4096};
  const struct copse_api_batch batch = {.expected_generation = COPSE_API_ANY_GENERATION};

  memcpy(builder.bytes, &batch, sizeof(batch));
  return builder;
}

void
builder_free(struct builder *builder) {
  free(builder->bytes);
}

static void
append(struct builder *builder, const void *data, size_t bytes) {
  while (builder->length + bytes > builder->room)
    builder->bytes = realloc(builder->bytes, builder->room *= 2);
  if (bytes > 0)
    memcpy(builder->bytes + builder->length, data, bytes);
  builder->length += bytes;
}

void
builder_add(struct builder *builder, uint16_t kind, const void *record, size_t record_bytes, const void *tail,
            size_t tail_bytes) {
  const struct copse_api_operation operation = {.kind = kind, .length = (uint32_t)(record_bytes + tail_bytes)};

  append(builder, &operation, sizeof(operation));
  append(builder, record, record_bytes);
  append(builder, tail, tail_bytes);
  ((struct copse_api_batch *)builder->bytes)->operations++;
}

int
builder_apply(struct builder *builder, struct copse_table *table, struct copse_api_result *result) {
  const int status = copse_table_batch(table, builder->bytes, builder->length, result);

  builder_free(builder);
  *builder = builder_new();
  return status;
}

void
builder_commit(struct builder *builder, struct copse_table *table) {
  struct copse_api_result result;

  cr_assert(builder_apply(builder, table, &result) == 0, "operation %u: %s", result.operation, result.text);
}

struct copse_endpoint
ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
  return (struct copse_endpoint){{[10] = 0xff, 0xff, a, b, c, d}, htons(port), {0}};
}

struct copse_endpoint
ipv6(uint16_t net, uint16_t host, uint16_t port) {
  return (struct copse_endpoint){
    {0x20, 0x01, 0x0d, 0xb8, net >> 8, net & 0xff, [14] = host >> 8, host & 0xff}, htons(port), {0}};
}

void
fill_key(uint8_t key[COPSE_KEY_BYTES], uint8_t value) {
  memset(key, value, COPSE_KEY_BYTES);
}

struct copse_table_config
test_config(uint32_t workers) {
  struct copse_table_config config = {
    .limits = {.labels = 64, .trees = 8, .members = 32, .links = 16, .fan_out = 48, .workers = workers},
    .tsc_hz = TEST_TSC_HZ,
    .local4 = ipv4(10, 0, 0, 1, COPSE_BLOCK_PORT),
    .local6 = ipv6(0, 1, COPSE_BLOCK_PORT),
    .sequence_base = TEST_SEQUENCE_BASE,
  };

  for (size_t i = 0; i < sizeof(config.mtu) / sizeof(*config.mtu); i++)
    config.mtu[i] = 1500;
  return config;
}

void
add_link(struct builder *builder, uint32_t slot, struct copse_endpoint remote, uint64_t budget_bps) {
  struct copse_api_link link = {.slot = slot, .burst_us = 1000, .budget_bps = budget_bps, .remote = remote};

  snprintf(link.name, sizeof(link.name), "link-%u", slot);
  builder_add(builder, COPSE_API_LINK_SET, &link, sizeof(link), NULL, 0);
}

struct copse_api_target
target(uint32_t slot, struct copse_endpoint remote) {
  struct copse_api_target api = {.slot = slot, .interval_us = 100000, .remote = remote};

  fill_key(api.sender_key, (uint8_t)(0x20 + slot));
  fill_key(api.reflector_key, (uint8_t)(0x60 + slot));
  snprintf(api.name, sizeof(api.name), "target-%u", slot);
  return api;
}

void
add_target(struct builder *builder, const struct copse_api_target *api) {
  builder_add(builder, COPSE_API_TARGET_SET, api, sizeof(*api), NULL, 0);
}

struct copse_api_member
member(uint32_t slot, uint32_t label, uint32_t send_tree, struct copse_endpoint address) {
  struct copse_api_member api = {
    .id = 0x1000 + slot, .slot = slot, .label = label, .send_tree = send_tree, .burst_us = 1000, .address = address};

  fill_key(api.key, (uint8_t)(slot + 1));
  return api;
}

void
add_member(struct builder *builder, const struct copse_api_member *api) {
  builder_add(builder, COPSE_API_MEMBER_SET, api, sizeof(*api), NULL, 0);
}

struct copse_api_tree
tree(uint32_t slot, uint64_t id) {
  struct copse_api_tree api = {.id = id, .slot = slot, .label = COPSE_LABEL_NONE, .burst_us = 1000};

  fill_key(api.tree_key, (uint8_t)(0x40 + slot));
  fill_key(api.area_key, (uint8_t)(0x80 + slot));
  return api;
}

void
add_tree(struct builder *builder, struct copse_api_tree api, const struct copse_api_hop *hops, uint32_t count) {
  api.hops = count;
  builder_add(builder, COPSE_API_TREE_SET, &api, sizeof(api), hops, count * sizeof(*hops));
}

void
add_slot(struct builder *builder, uint16_t kind, uint32_t slot) {
  const struct copse_api_slot api = {.slot = slot};

  builder_add(builder, kind, &api, sizeof(api), NULL, 0);
}

void
add_allowance(struct builder *builder, uint32_t slot, uint64_t bytes) {
  const struct copse_api_allowance api = {.slot = slot, .total_bytes = bytes};

  builder_add(builder, COPSE_API_ALLOWANCE, &api, sizeof(api), NULL, 0);
}

void
add_interest(struct builder *builder, struct copse_api_interest interest, const uint64_t *words) {
  builder_add(builder, COPSE_API_INTEREST, &interest, sizeof(interest), words, interest.words * sizeof(*words));
}

void *
dump_of(const struct copse_table *table, size_t *bytes) {
  void *body;

  cr_assert(copse_table_dump(table, &body, bytes) == 0);
  return body;
}
