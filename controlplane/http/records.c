/* SPDX-License-Identifier: Apache-2.0 */
/* JSON records of the store, read and changed by compare. */
#include "handlers.h"
#include <errno.h>

json_t *
copse_record_get(struct copse_call *call, const char *key, const char *what, uint64_t *revision) {
  struct copse_value value;
  json_t *record;
  int result = copse_store_get(copse_control_store(call->api->control), key, &value);

  if (result == -ENOENT) {
    copse_reply_fail(call, 404, NULL, "no such %s", what);
    return NULL;
  }
  if (result != 0) {
    copse_reply_store(call, result);
    return NULL;
  }
  record = json_loads(value.value, JSON_DECODE_ANY, NULL);
  *revision = value.revision;
  copse_value_free(&value);
  if (record == NULL)
    copse_reply_fail(call, 500, NULL, "the store's record of this %s cannot be read", what);
  return record;
}

int
copse_record_commit(struct copse_call *call, const struct copse_compare *compares, size_t compare_count,
                    const struct copse_change *changes, size_t change_count) {
  int result = copse_store_commit(copse_control_store(call->api->control), compares, compare_count, changes,
                                  change_count, NULL, NULL);

  if (result != 0 && result != -EAGAIN)
    copse_reply_store(call, result);
  return result;
}
