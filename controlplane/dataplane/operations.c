/* SPDX-License-Identifier: Apache-2.0 */
#include "operations.h"
#include <stdlib.h>

/* Room for `bytes` more, or null. */
static uint8_t *
reserve(struct copse_operations *operations, size_t bytes) {
  if (operations->failed)
    return NULL;
  if (operations->length + bytes > operations->capacity) {
    size_t capacity = operations->capacity < 4096 ? 4096 : operations->capacity;
    uint8_t *grown;

    while (capacity < operations->length + bytes)
      capacity *= 2;
    grown = realloc(operations->bytes, capacity);
    if (grown == NULL) {
      operations->failed = true;
      return NULL;
    }
    operations->bytes = grown;
    operations->capacity = capacity;
  }
  return operations->bytes + operations->length;
}

/* One operation: its record is `head` and then `tail`. */
static void
append(struct copse_operations *operations, uint16_t kind, const void *head, size_t head_bytes, const void *tail,
       size_t tail_bytes) {
  struct copse_api_operation operation = {.kind = kind, .length = (uint32_t)(head_bytes + tail_bytes)};
  uint8_t *at = reserve(operations, sizeof(operation) + head_bytes + tail_bytes);

  if (at == NULL)
    return;
  memcpy(at, &operation, sizeof(operation));
  memcpy(at + sizeof(operation), head, head_bytes);
  if (tail_bytes > 0)
    memcpy(at + sizeof(operation) + head_bytes, tail, tail_bytes);
  operations->length += sizeof(operation) + operation.length;
  operations->count++;
}

void
copse_operations_link(struct copse_operations *operations, const struct copse_api_link *link) {
  append(operations, COPSE_API_LINK_SET, link, sizeof(*link), NULL, 0);
}

void
copse_operations_member(struct copse_operations *operations, const struct copse_api_member *member) {
  append(operations, COPSE_API_MEMBER_SET, member, sizeof(*member), NULL, 0);
}

void
copse_operations_tree(struct copse_operations *operations, const struct copse_api_tree *tree,
                      const struct copse_api_hop *hops) {
  append(operations, COPSE_API_TREE_SET, tree, sizeof(*tree), hops, tree->hops * sizeof(*hops));
}

void
copse_operations_allowance(struct copse_operations *operations, uint32_t slot, uint64_t total_bytes) {
  struct copse_api_allowance allowance = {.slot = slot, .total_bytes = total_bytes};

  append(operations, COPSE_API_ALLOWANCE, &allowance, sizeof(allowance), NULL, 0);
}

void
copse_operations_interest(struct copse_operations *operations, const struct copse_api_interest *interest,
                          const uint64_t *words) {
  append(operations, COPSE_API_INTEREST, interest, sizeof(*interest), words, interest->words * sizeof(*words));
}

void
copse_operations_target(struct copse_operations *operations, const struct copse_api_target *target) {
  append(operations, COPSE_API_TARGET_SET, target, sizeof(*target), NULL, 0);
}

void
copse_operations_remove(struct copse_operations *operations, enum copse_api_operation_kind kind, uint32_t slot) {
  struct copse_api_slot record = {.slot = slot};

  append(operations, (uint16_t)kind, &record, sizeof(record), NULL, 0);
}

void
copse_operations_clear(struct copse_operations *operations) {
  operations->length = 0;
  operations->count = 0;
  operations->failed = false;
}

void
copse_operations_free(struct copse_operations *operations) {
  free(operations->bytes);
  *operations = (struct copse_operations){0};
}

static size_t
least_bytes(uint16_t kind) {
  switch (kind) {
  case COPSE_API_LINK_SET:
    return sizeof(struct copse_api_link);
  case COPSE_API_MEMBER_SET:
    return sizeof(struct copse_api_member);
  case COPSE_API_TREE_SET:
    return sizeof(struct copse_api_tree);
  case COPSE_API_ALLOWANCE:
    return sizeof(struct copse_api_allowance);
  case COPSE_API_INTEREST:
    return sizeof(struct copse_api_interest);
  case COPSE_API_TARGET_SET:
    return sizeof(struct copse_api_target);
  default:
    return 0;
  }
}

static int
check_record(uint16_t kind, const void *record, size_t length) {
  if (length < least_bytes(kind) || length % 8 != 0)
    return -EBADMSG;
  if (kind == COPSE_API_TREE_SET && ((const struct copse_api_tree *)record)->hops >
                                      (length - sizeof(struct copse_api_tree)) / sizeof(struct copse_api_hop))
    return -EBADMSG;
  if (kind == COPSE_API_INTEREST && ((const struct copse_api_interest *)record)->words >
                                      (length - sizeof(struct copse_api_interest)) / sizeof(uint64_t))
    return -EBADMSG;
  return 0;
}

static int
walk(const uint8_t *at, size_t left, uint32_t count, copse_operation_visit *visit, void *context) {
  for (uint32_t i = 0; i < count; i++) {
    const struct copse_api_operation *operation = (const void *)at;
    int result;

    if (left < sizeof(*operation) || left - sizeof(*operation) < operation->length)
      return -EBADMSG;
    result = check_record(operation->kind, operation + 1, operation->length);
    if (result == 0)
      result = visit(context, operation->kind, operation + 1, operation->length);
    if (result < 0)
      return result;
    at += sizeof(*operation) + operation->length;
    left -= sizeof(*operation) + operation->length;
  }
  return left == 0 ? 0 : -EBADMSG;
}

int
copse_operations_read(const void *body, size_t bytes, copse_operation_visit *visit, void *context) {
  const struct copse_api_batch *batch = body;

  if (bytes < sizeof(*batch))
    return -EBADMSG;
  return walk((const uint8_t *)(batch + 1), bytes - sizeof(*batch), batch->operations, visit, context);
}

int
copse_operations_each(const struct copse_operations *operations, copse_operation_visit *visit, void *context) {
  return walk(operations->bytes, operations->length, operations->count, visit, context);
}
