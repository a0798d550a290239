/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of BATCH and DUMP (api.h): written operation by operation, read back the same way. */
#ifndef COPSE_OPERATIONS_H
#define COPSE_OPERATIONS_H

#include <copse/api.h>
#include <stdbool.h>

/* Grows as needed; starts as zeros, free with copse_operations_free. */
struct copse_operations {
  uint8_t *bytes;
  size_t length, capacity;
  uint32_t count;
  bool failed; /* memory was short: an operation is missing, send nothing of it */
};

void copse_operations_link(struct copse_operations *operations, const struct copse_api_link *link);
void copse_operations_member(struct copse_operations *operations, const struct copse_api_member *member);
/* `tree->hops` hops follow it. */
void copse_operations_tree(struct copse_operations *operations, const struct copse_api_tree *tree,
                           const struct copse_api_hop *hops);
void copse_operations_allowance(struct copse_operations *operations, uint32_t slot, uint64_t total_bytes);
/* `interest->words` words follow it. */
void copse_operations_interest(struct copse_operations *operations, const struct copse_api_interest *interest,
                               const uint64_t *words);
void copse_operations_target(struct copse_operations *operations, const struct copse_api_target *target);
/* `kind` is one of the REMOVE kinds. */
void copse_operations_remove(struct copse_operations *operations, enum copse_api_operation_kind kind, uint32_t slot);

/* Forgets the operations, keeps the memory. */
void copse_operations_clear(struct copse_operations *operations);
void copse_operations_free(struct copse_operations *operations);

typedef int copse_operation_visit(void *context, uint16_t kind, const void *record, size_t length);

/* Walks the operations of a DUMP body (struct copse_api_batch first). `record` has at least the size this program knows
 * for its kind, shorter records are refused. Unknown kinds are passed on. Stops with the first negative result of
 * `visit`; -EBADMSG when the body is not well formed. */
int copse_operations_read(const void *body, size_t bytes, copse_operation_visit *visit, void *context);
/* The same for operations written here. */
int copse_operations_each(const struct copse_operations *operations, copse_operation_visit *visit, void *context);

#endif
