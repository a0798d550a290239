/* SPDX-License-Identifier: Apache-2.0 */
#include "set.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Place of the name, or where it would be. */
static size_t
place_of(const struct copse_set *set, const char *name, bool *found) {
  size_t low = 0, high = set->count;

  *found = false;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(set->items[middle], name);

    if (order == 0) {
      *found = true;
      return middle;
    }
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void *
copse_set_find(const struct copse_set *set, const char *name) {
  bool found;
  size_t place = place_of(set, name, &found);

  return found ? set->items[place] : NULL;
}

size_t
copse_set_after(const struct copse_set *set, const char *name) {
  bool found;
  size_t place = place_of(set, name, &found);

  return found ? place + 1 : place;
}

int
copse_set_add(struct copse_set *set, void *object) {
  bool found;
  size_t place = place_of(set, object, &found);

  if (found)
    return -EEXIST;
  if (set->count == set->capacity) {
    size_t capacity = set->capacity == 0 ? 8 : set->capacity * 2;
    void **items = reallocarray(set->items, capacity, sizeof(*items));

    if (items == NULL)
      return -ENOMEM;
    set->items = items;
    set->capacity = capacity;
  }
  memmove(&set->items[place + 1], &set->items[place], (set->count - place) * sizeof(*set->items));
  set->items[place] = object;
  set->count++;
  return 0;
}

void *
copse_set_make(struct copse_set *set, const char *name, size_t bytes) {
  void *object = calloc(1, bytes);

  if (object == NULL)
    return NULL;
  memcpy(object, name, strlen(name) + 1);
  if (copse_set_add(set, object) < 0) {
    free(object);
    return NULL;
  }
  return object;
}

void *
copse_set_remove(struct copse_set *set, const char *name) {
  bool found;
  size_t place = place_of(set, name, &found);
  void *object;

  if (!found)
    return NULL;
  object = set->items[place];
  set->count--;
  memmove(&set->items[place], &set->items[place + 1], (set->count - place) * sizeof(*set->items));
  return object;
}

void
copse_set_free(struct copse_set *set, void (*free_object)(void *object)) {
  for (size_t i = 0; i < set->count && free_object != NULL; i++)
    free_object(set->items[i]);
  free(set->items);
  *set = (struct copse_set){0};
}
