/* SPDX-License-Identifier: Apache-2.0 */
#include "table/model.h"

#include <errno.h>
#include <stdlib.h>

/* Writes operations, or with no room counts their bytes. */
struct writer {
  uint8_t *out;
  size_t bytes;
  uint32_t operations;
};

static void
put(struct writer *writer, const void *data, size_t length) {
  if (writer->out != NULL && length > 0)
    memcpy(writer->out + writer->bytes, data, length);
  writer->bytes += length;
}

/* An operation whose record is `fixed` followed by `tail`. */
static void
put_operation(struct writer *writer, uint16_t kind, const void *fixed, size_t fixed_bytes, const void *tail,
              size_t tail_bytes) {
  const struct copse_api_operation operation = {.kind = kind, .length = (uint32_t)(fixed_bytes + tail_bytes)};

  put(writer, &operation, sizeof(operation));
  put(writer, fixed, fixed_bytes);
  put(writer, tail, tail_bytes);
  writer->operations++;
}

static void
put_interest(struct writer *writer, uint32_t kind, uint32_t slot, uint32_t hop, const struct copse_interest *interest) {
  if (interest == NULL)
    return;
  const struct copse_api_interest api = {
    .kind = kind, .slot = slot, .hop = hop, .blocks = interest->blocks, .words = interest->words};
  put_operation(writer, COPSE_API_INTEREST, &api, sizeof(api), interest->word, interest->words * sizeof(uint64_t));
}

static void
put_tree(struct writer *writer, const struct copse_tree_record *tree) {
  put_operation(writer, COPSE_API_TREE_SET, &tree->api, sizeof(tree->api), tree->hop,
                tree->api.hops * sizeof(*tree->hop));
  if (tree->allowance != 0) {
    const struct copse_api_allowance api = {.slot = tree->api.slot, .total_bytes = tree->allowance};
    put_operation(writer, COPSE_API_ALLOWANCE, &api, sizeof(api), NULL, 0);
  }
  for (uint32_t i = 0; i < tree->links; i++)
    put_interest(writer, COPSE_HOP_LINK, tree->api.slot, i, tree->interest[i]);
}

static void
put_all(struct writer *writer, const struct copse_table *table) {
  for (uint32_t i = 0; i < table->counts[COPSE_LINK]; i++)
    if (copse_link_at(table, i) != NULL)
      put_operation(writer, COPSE_API_LINK_SET, &copse_link_at(table, i)->api, sizeof(struct copse_api_link), NULL, 0);
  for (uint32_t i = 0; i < table->counts[COPSE_MEMBER]; i++) {
    const struct copse_member_record *member = copse_member_at(table, i);
    if (member == NULL)
      continue;
    put_operation(writer, COPSE_API_MEMBER_SET, &member->api, sizeof(member->api), NULL, 0);
    put_interest(writer, COPSE_HOP_MEMBER, i, 0, member->interest);
  }
  for (uint32_t i = 0; i < table->counts[COPSE_TREE]; i++)
    if (copse_tree_at(table, i) != NULL)
      put_tree(writer, copse_tree_at(table, i));
  for (uint32_t i = 0; i < table->counts[COPSE_TARGET]; i++)
    if (copse_table_target(table, i) != NULL)
      put_operation(writer, COPSE_API_TARGET_SET, copse_table_target(table, i), sizeof(struct copse_api_target), NULL,
                    0);
}

int
copse_table_dump(const struct copse_table *table, void **body, size_t *bytes) {
  struct copse_api_batch batch = {.expected_generation = COPSE_API_ANY_GENERATION};
  struct writer writer = {.bytes = sizeof(batch)};

  put_all(&writer, table);
  if ((*body = malloc(writer.bytes)) == NULL)
    return -ENOMEM;
  batch.operations = writer.operations;
  writer = (struct writer){.out = *body};
  put(&writer, &batch, sizeof(batch));
  put_all(&writer, table);
  *bytes = writer.bytes;
  return 0;
}
