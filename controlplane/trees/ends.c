/* SPDX-License-Identifier: Apache-2.0 */
#include "ends.h"
#include <stdlib.h>
#include <string.h>

/* One pass of a radix sort: `sorted` is `order` by one end of each arc, equal ones as they were. `begin` has room for
 * all PoPs and one more, and says where each one's arcs are. A null order is that of the network. */
static void
sort_by(const struct copse_network *network, bool by_from, const uint32_t *order, uint32_t *sorted, size_t *begin) {
  size_t sum = 0;

  memset(begin, 0, (network->pops + 1UL) * sizeof(*begin));
  for (size_t i = 0; i < network->arc_count; i++)
    begin[by_from ? network->arcs[i].from : network->arcs[i].to]++;
  for (uint32_t pop = 0; pop <= network->pops; pop++)
    sum = begin[pop] += sum;
  for (size_t i = network->arc_count; i-- > 0;) {
    uint32_t arc = order ? order[i] : (uint32_t)i;
    sorted[--begin[by_from ? network->arcs[arc].from : network->arcs[arc].to]] = arc;
  }
}

bool
copse_ends_create(struct copse_ends *ends, const struct copse_network *network) {
  uint32_t *by_to = malloc((network->arc_count + 1) * sizeof(*by_to));

  *ends = (struct copse_ends){.pops = network->pops,
                              .arcs = network->arcs,
                              .begin = malloc((network->pops + 1UL) * sizeof(*ends->begin)),
                              .order = malloc((network->arc_count + 1) * sizeof(*ends->order))};
  if (by_to && ends->begin && ends->order) {
    sort_by(network, false, NULL, by_to, ends->begin);
    sort_by(network, true, by_to, ends->order, ends->begin);
  }
  free(by_to);
  return by_to && ends->begin && ends->order;
}

void
copse_ends_free(struct copse_ends *ends) {
  free(ends->begin);
  free(ends->order);
}

uint32_t
copse_ends_find(const struct copse_ends *ends, uint32_t from, uint32_t to) {
  size_t begin = ends->begin[from], count = ends->begin[from + 1] - begin;
  /* `to` PoPs are before it, and all but so many have arcs: in a full mesh little is left to search. */
  size_t absent = ends->pops - count, low = begin + (to > absent ? to - absent : 0), high = begin + count;

  if (to < count)
    high = begin + to + 1;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (ends->arcs[ends->order[middle]].to < to)
      low = middle + 1;
    else
      high = middle;
  }
  return low < begin + count && ends->arcs[ends->order[low]].to == to ? ends->order[low] : COPSE_NO_ARC;
}
