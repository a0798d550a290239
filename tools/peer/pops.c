/* SPDX-License-Identifier: Apache-2.0 */
#include "pops.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
pops_add(struct pops *pops, const char *url, size_t length) {
  if (pops->count == POPS_MAX)
    return -ENOSPC;
  pops->urls[pops->count] = strndup(url, length);
  if (!pops->urls[pops->count])
    return -ENOMEM;
  pops->count++;
  return 0;
}

void
pops_free(struct pops *pops) {
  for (size_t i = 0; i < pops->count; i++)
    free(pops->urls[i]);
  *pops = (struct pops){0};
}

const char *
pops_url(const struct pops *pops) {
  return pops->urls[pops->current];
}

void
pops_joined(struct pops *pops, uint64_t now) {
  pops->since = now;
  if (!pops->patience)
    pops->patience = POPS_PATIENCE_NS;
}

void
pops_served(struct pops *pops, uint64_t now) {
  pops->since = now;
  pops->patience = POPS_PATIENCE_NS;
}

bool
pops_next(struct pops *pops) {
  for (size_t step = 1; step < pops->count; step++) {
    size_t next = (pops->current + step) % pops->count;
    if (pops->refused >> next & 1)
      continue;
    pops->current = next;
    return true;
  }
  return false;
}

bool
pops_refuse(struct pops *pops) {
  pops->refused |= 1U << pops->current;
  return pops_next(pops);
}

bool
pops_give_up(struct pops *pops, uint64_t now) {
  if (now - pops->since < pops->patience || !pops_next(pops))
    return false;
  if (pops->patience < POPS_PATIENCE_MAX_NS)
    pops->patience *= 2;
  return true;
}
