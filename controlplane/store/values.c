/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and the results of reads, the same for every store. */
#include "backend.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
copse_values_add(struct copse_values *values, const char *key, const char *value, uint64_t revision) {
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

bool
copse_prefix_end(const char *prefix, char *end) {
  size_t length = strlen(prefix);

  memcpy(end, prefix, length + 1);
  while (length > 0 && (uint8_t)end[length - 1] == 0xff)
    length--;
  if (length == 0)
    return false;
  end[length - 1] = (char)((uint8_t)end[length - 1] + 1);
  end[length] = '\0';
  return true;
}
