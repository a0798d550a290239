/* SPDX-License-Identifier: Apache-2.0 */
#include "table/operations.h"
#include "table/publish.h"

#include <stdlib.h>

/* Splits the body into operations and stages each. `operation` tells which one failed. */
static int
stage_all(struct copse_table *table, const uint8_t *body, size_t bytes, struct copse_api_result *result) {
  struct copse_api_operation operation;
  struct copse_api_batch batch;
  size_t at = sizeof(batch);
  int status;

  if (bytes < sizeof(batch))
    return copse_refuse(result->text, -EINVAL, "a batch of %zu bytes is too short", bytes);
  memcpy(&batch, body, sizeof(batch));
  if (batch.expected_generation != COPSE_API_ANY_GENERATION && batch.expected_generation != table->view.generation)
    return copse_refuse(result->text, -ESTALE, "the table is at generation %llu, the batch expects %llu",
                        (unsigned long long)table->view.generation, (unsigned long long)batch.expected_generation);
  for (; result->operation < batch.operations; result->operation++) {
    if (bytes - at < sizeof(operation))
      return copse_refuse(result->text, -EINVAL, "the batch ends before operation %u", result->operation);
    memcpy(&operation, body + at, sizeof(operation));
    at += sizeof(operation);
    if (operation.length % 8 != 0 || operation.length > bytes - at)
      return copse_refuse(result->text, -EINVAL, "operation %u: its length of %u bytes is wrong", result->operation,
                          operation.length);
    if ((status = copse_operation_apply(table, operation.kind, body + at, operation.length, result->text)) < 0)
      return status;
    at += operation.length;
  }
  if (at != bytes)
    return copse_refuse(result->text, -EINVAL, "%zu bytes follow the last operation", bytes - at);
  return copse_prepare(table);
}

int
copse_table_batch(struct copse_table *table, const void *body, size_t bytes, struct copse_api_result *result) {
  const uint64_t address_generation = table->address_generation;

  *result = (struct copse_api_result){0};
  table->batch++;
  result->status = stage_all(table, body, bytes, result);
  if (result->status == 0) {
    copse_publish(table);
    copse_journal_commit(table);
  } else {
    if (result->text[0] == '\0')
      copse_refuse(result->text, result->status, "%s", strerror(-result->status));
    copse_journal_rollback(table);
    table->address_generation = address_generation;
  }
  result->generation = table->view.generation;
  return result->status;
}
