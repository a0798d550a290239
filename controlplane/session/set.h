/* SPDX-License-Identifier: Apache-2.0 */
/* A sorted set of objects that begin with their null terminated name. The set owns no object. */
#ifndef COPSE_SET_H
#define COPSE_SET_H

#include <stddef.h>

struct copse_set {
  void **items; /* in order of name */
  size_t count, capacity;
};

/* Null when there is none. */
void *copse_set_find(const struct copse_set *set, const char *name);
/* Index of the first object whose name comes after this one, whether there is one of this name or not. */
size_t copse_set_after(const struct copse_set *set, const char *name);
/* -EEXIST, -ENOMEM. */
int copse_set_add(struct copse_set *set, void *object);
/* Adds a new object of zeros that begins with the name, which must fit. Null: there is one already, or no memory. */
void *copse_set_make(struct copse_set *set, const char *name, size_t bytes);
/* Returns what was taken out, null when there was none. */
void *copse_set_remove(struct copse_set *set, const char *name);
/* Frees the set and, where `free_object` is not null, its objects. */
void copse_set_free(struct copse_set *set, void (*free_object)(void *object));

#endif
