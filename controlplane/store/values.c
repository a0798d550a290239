/* SPDX-License-Identifier: Apache-2.0 */
/* Results of reads, the same for every store. */
#include "sqlite.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
store_values_add(struct copse_values *values, const char *key, const char *value, uint64_t revision) {
  struct copse_value *item;

  if ((values->count & (values->count - 1)) == 0) {
    struct copse_value *items =
      reallocarray(values->items, values->count == 0 ? 1 : values->count * 2, sizeof(*values->items));

    if (items == NULL)
      return -ENOMEM;
    values->items = items;
  }
  item = &values->items[values->count];
  item->key = strdup(key);
  item->value = value == NULL ? NULL : strdup(value);
  item->revision = revision;
  if (item->key == NULL || (value != NULL && item->value == NULL)) {
    copse_value_free(item);
    return -ENOMEM;
  }
  values->count++;
  return 0;
}

void
copse_value_free(struct copse_value *value) {
  free(value->key);
  free(value->value);
  *value = (struct copse_value){0};
}

void
copse_values_free(struct copse_values *values) {
  for (size_t i = 0; i < values->count; i++)
    copse_value_free(&values->items[i]);
  free(values->items);
  *values = (struct copse_values){0};
}
