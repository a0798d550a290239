/* SPDX-License-Identifier: Apache-2.0 */
/* Max-min fair rates: a case that can be computed by hand, and what is true of every one. */
#include "share.h"
#include "random.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct sim_share share;

static void
free_share(void) {
  sim_share_free(&share);
  share = (struct sim_share){0};
}

/* Two links of 10 and 4 in a row: a flow over both, two over the first, one over the second with a weight of 3. */
Test(share, who_is_not_held_elsewhere_gets_what_the_others_leave, .fini = free_share) {
  static const uint32_t both[] = {0, 1};
  struct sim_share_link links[] = {{.spare_bps = 10}, {.spare_bps = 4}};
  struct sim_share_flow flows[] = {{.links = both, .hops = 2, .weight = 1},
                                   {.links = both, .hops = 1, .weight = 1},
                                   {.links = both, .hops = 1, .weight = 1},
                                   {.links = both + 1, .hops = 1, .weight = 3}};

  sim_share(&share, links, 2, flows, 4);
  cr_expect(ieee_ulp_eq(dbl, flows[0].rate_bps, 1.0, 4));
  cr_expect(ieee_ulp_eq(dbl, flows[1].rate_bps, 4.5, 4));
  cr_expect(ieee_ulp_eq(dbl, flows[2].rate_bps, 4.5, 4));
  cr_expect(ieee_ulp_eq(dbl, flows[3].rate_bps, 3.0, 4));
  cr_expect(eq(u32, flows[0].bottleneck, 1));
  cr_expect(eq(u32, flows[1].bottleneck, 0));
}

Test(share, a_link_without_room_gives_nothing, .fini = free_share) {
  static const uint32_t path[] = {0};
  struct sim_share_link link = {.spare_bps = 0};
  struct sim_share_flow flow = {.links = path, .hops = 1, .weight = 1};

  sim_share(&share, &link, 1, &flow, 1);
  cr_expect(ieee_ulp_eq(dbl, flow.rate_bps, 0.0, 4));
}

enum { LINKS = 12, FLOWS = 60, HOPS = 4, ROUNDS = 200 };

/* Rates of all flows of a link; the most any of them has for its weight. */
static double
load_of(const struct sim_share_flow *flows, uint32_t link, double *most) {
  double load = 0;

  *most = 0;
  for (uint32_t f = 0; f < FLOWS; f++)
    for (uint32_t hop = 0; hop < flows[f].hops; hop++)
      if (flows[f].links[hop] == link) {
        load += flows[f].rate_bps;
        *most = fmax(*most, flows[f].rate_bps / flows[f].weight);
      }
  return load;
}

/* What defines them: no link carries more than it can, and each flow has a full link where nobody has more for its
 * weight. */
Test(share, rates_of_any_network_are_max_min_fair, .fini = free_share) {
  struct sim_share_link links[LINKS];
  struct sim_share_flow flows[FLOWS];
  uint32_t paths[FLOWS][HOPS];
  double capacities[LINKS], most;
  struct sim_random random;

  sim_random_seed(&random, 7);
  for (int round = 0; round < ROUNDS; round++) {
    for (uint32_t i = 0; i < LINKS; i++)
      links[i].spare_bps = capacities[i] = 1 + 100 * sim_uniform(&random);
    for (uint32_t f = 0; f < FLOWS; f++) {
      const uint32_t first = (uint32_t)(sim_random(&random) % LINKS);
      flows[f] = (struct sim_share_flow){
        .links = paths[f], .hops = 1 + (uint32_t)(sim_random(&random) % HOPS), .weight = 0.1 + sim_uniform(&random)};
      for (uint32_t hop = 0; hop < flows[f].hops; hop++)
        paths[f][hop] = (first + 5 * hop) % LINKS;
    }
    sim_share(&share, links, LINKS, flows, FLOWS);
    for (uint32_t i = 0; i < LINKS; i++)
      cr_assert(le(dbl, load_of(flows, i, &most), capacities[i] * (1 + 1e-9)));
    for (uint32_t f = 0; f < FLOWS; f++) {
      const uint32_t link = flows[f].bottleneck;
      cr_assert(ge(dbl, load_of(flows, link, &most), capacities[link] * (1 - 1e-9)));
      cr_assert(le(dbl, most, flows[f].rate_bps / flows[f].weight * (1 + 1e-6)));
    }
  }
}
