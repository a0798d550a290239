/* SPDX-License-Identifier: Apache-2.0 */
/* trees-bench time POPS random|equal|contended ROUNDS LITERAL_TREES
 * trees-bench gap POPS random|equal DENSITY NETWORKS
 * BuildTrees on meshes with one tree per PoP, and how far it is from the bound; one JSON object each. */
#include "literal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 101
#define BUILDS 5 /* from nothing */

struct mesh {
  struct copse_network network;
  struct copse_arc *arcs;
  struct copse_area *areas;
  uint64_t *uplinks_bps; /* one peer per area */
};

static struct copse_error error;
static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t
random_up_to(uint64_t bound) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return 1 + (state >> 11) % bound;
}

/* Of our own work: what else the machine does does not count. */
static double
now_ms(void) {
  struct timespec time;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int
compare_doubles(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;

  return (left > right) - (left < right);
}

/* The value that a share of the samples does not exceed. */
static double
quantile(double *samples, size_t count, double share) {
  qsort(samples, count, sizeof(*samples), compare_doubles);
  return samples[(size_t)(share * (double)(count - 1) + 0.5)];
}

static void
check(int status) {
  if (status == 0)
    return;
  fprintf(stderr, "trees-bench: %s\n", error.text);
  exit(1);
}

/* Every PoP has an area, the first two a seed. */
static struct mesh
mesh_create(uint32_t pops, unsigned density) {
  struct mesh mesh = {.arcs = calloc((size_t)pops * pops, sizeof(*mesh.arcs)),
                      .areas = calloc(pops, sizeof(*mesh.areas)),
                      .uplinks_bps = calloc(pops, sizeof(*mesh.uplinks_bps))};

  if (!mesh.arcs || !mesh.areas || !mesh.uplinks_bps)
    exit(1);
  mesh.network = (struct copse_network){.pops = pops, .arcs = mesh.arcs};
  for (uint32_t from = 0; from < pops; from++)
    for (uint32_t to = 0; to < pops; to++)
      if (from != to && random_up_to(100) <= density)
        mesh.arcs[mesh.network.arc_count++] = (struct copse_arc){from, to, 0};
  for (uint32_t pop = 0; pop < pops; pop++)
    mesh.areas[pop] = (struct copse_area){
      .pop = pop, .seed = pop < 2, .growth = 1, .uplinks_bps = &mesh.uplinks_bps[pop], .uplink_count = 1};
  return mesh;
}

static void
mesh_free(struct mesh *mesh) {
  free(mesh->arcs);
  free(mesh->areas);
  free(mesh->uplinks_bps);
}

/* random: links of 0.5 to 1.5 Gbit/s, far wider than trees. equal: all of 1 Gbit/s, as wide. contended: of 1 Gbit/s for
 * trees of 0.9 to 1.35, so that a link carries one, and tier 2 builds them all. */
static void
set_rates(struct mesh *mesh, const char *kind) {
  bool contended = strcmp(kind, "contended") == 0, random = strcmp(kind, "random") == 0;

  for (size_t i = 0; i < mesh->network.arc_count; i++)
    mesh->arcs[i].bandwidth_bps = random ? 500000000 + random_up_to(1000000000) : 1000000000;
  for (uint32_t pop = 0; pop < mesh->network.pops; pop++) {
    mesh->uplinks_bps[pop] = contended ? 900000000 : random ? 100000 + random_up_to(400000) : 200000;
    mesh->areas[pop].growth = contended ? 1.5 : 2 - pop / (double)mesh->network.pops;
  }
}

static double
time_join(struct copse_forest *forest, const struct copse_area *area) {
  double start = now_ms();

  check(copse_forest_join(forest, area, &error));
  return now_ms() - start;
}

static double
time_leave(struct copse_forest *forest, uint32_t pop) {
  double start = now_ms();

  check(copse_forest_leave(forest, pop, &error));
  return now_ms() - start;
}

static size_t
count_served(const struct copse_plan *plan) {
  size_t served = 0;

  for (size_t i = 0; i < plan->tree_count; i++)
    served += plan->trees[i].status == COPSE_TREE_OK;
  return served;
}

static void
print_times(const char *name, double *samples, size_t count) {
  printf("\"%s_ms\": %.3f, \"%s_p90_ms\": %.3f, \"%s_max_ms\": %.3f, ", name, quantile(samples, count, 0.5), name,
         quantile(samples, count, 0.9), name, quantile(samples, count, 1));
}

/* The last area comes and goes. */
static void
time_last(const struct mesh *mesh, size_t rounds) {
  double join[ROUNDS_MAX], leave[ROUNDS_MAX];
  uint32_t last = mesh->network.pops - 1;
  struct copse_forest *forest;

  check(copse_forest_create(&mesh->network, mesh->areas, last, NULL, NULL, &forest, &error));
  for (size_t i = 0; i < rounds; i++) {
    join[i] = time_join(forest, &mesh->areas[last]);
    if (i == 0)
      check(copse_verify_plan(&mesh->network, mesh->areas, last + 1UL, NULL, copse_forest_plan(forest), &error));
    leave[i] = time_leave(forest, last);
  }
  copse_forest_free(forest);
  print_times("join_last", join, rounds);
  print_times("leave_last", leave, rounds);
}

/* One of those that are there leaves, and one that is not joins: `present` says which are which, `absent` of them not.
 */
static void
time_any(const struct mesh *mesh, size_t rounds) {
  double join[ROUNDS_MAX], leave[ROUNDS_MAX], start;
  uint32_t pops = mesh->network.pops, absent = 1 + pops / 50;
  struct copse_area *areas = calloc(pops, sizeof(*areas)); /* those that are there, then the others */
  struct copse_forest *forest;

  if (!areas)
    exit(1);
  memcpy(areas, mesh->areas, pops * sizeof(*areas));
  check(copse_forest_create(&mesh->network, areas, pops - absent, NULL, NULL, &forest, &error));
  for (size_t i = 0; i < rounds; i++) {
    uint32_t gone = (uint32_t)random_up_to(pops - absent) - 1, new = pops - (uint32_t)random_up_to(absent);
    struct copse_area area = areas[gone];
    leave[i] = time_leave(forest, area.pop);
    join[i] = time_join(forest, &areas[new]);
    areas[gone] = areas[new];
    areas[new] = area;
  }
  check(copse_verify_plan(&mesh->network, areas, pops - absent, NULL, copse_forest_plan(forest), &error));
  print_times("join_any", join, rounds);
  print_times("leave_any", leave, rounds);
  printf("\"any_areas\": %u, \"any_served\": %zu, ", pops - absent, count_served(copse_forest_plan(forest)));
  start = now_ms();
  check(copse_forest_improve(forest, &error));
  printf("\"improve_ms\": %.3f, \"improve_served\": %zu, ", now_ms() - start, count_served(copse_forest_plan(forest)));
  copse_forest_free(forest);
  free(areas);
}

static void
time_all(uint32_t pops, const char *kind, size_t rounds, size_t literal_trees) {
  struct mesh mesh = mesh_create(pops, 100);
  struct copse_bound bound;
  struct copse_plan plan = {0};
  double full[BUILDS], start;

  set_rates(&mesh, kind);
  for (size_t i = 0; i < BUILDS; i++) {
    copse_plan_free(&plan);
    start = now_ms();
    check(copse_build_trees(&mesh.network, mesh.areas, pops, NULL, &plan, &error));
    full[i] = now_ms() - start;
  }
  start = now_ms();
  check(copse_verify_plan(&mesh.network, mesh.areas, pops, NULL, &plan, &error));
  printf("{\"bench\": \"trees\", \"network\": \"%s\", \"pops\": %u, \"full_ms\": %.3f, \"full_max_ms\": %.3f, "
         "\"verify_ms\": %.3f, ",
         kind, pops, quantile(full, BUILDS, 0.5), quantile(full, BUILDS, 1), now_ms() - start);
  start = now_ms();
  check(copse_bound_plan(&mesh.network, mesh.areas, pops, &plan, COPSE_FLOW_AREAS, &bound, &error));
  printf("\"served\": %zu, \"least_bps\": %lu, \"bound_bps\": %lu, \"bound_by\": \"%s\", \"bound_ms\": %.3f, ",
         count_served(&plan), bound.least_bps, bound.rate_bps, bound.flow ? "flow" : "cut", now_ms() - start);
  copse_plan_free(&plan);
  time_last(&mesh, rounds);
  time_any(&mesh, rounds);
  start = now_ms();
  size_t edges = literal_build(&mesh.network, mesh.areas, pops, literal_trees);
  printf("\"literal_trees\": %zu, \"literal_edges\": %zu, \"literal_ms\": %.3f}\n", literal_trees, edges,
         now_ms() - start);
  mesh_free(&mesh);
}

/* All trees are to have the same rate: the largest share of the bound at which BuildTrees serves every area, searched
 * downwards in steps of half a percent; 0 if nobody could serve all. */
static double
largest_share(struct mesh *mesh) {
  uint32_t pops = mesh->network.pops;
  struct copse_bound bound;
  struct copse_plan plan;

  for (uint32_t pop = 0; pop < pops; pop++)
    mesh->uplinks_bps[pop] = 1000000000000;
  check(copse_build_trees(&mesh->network, mesh->areas, pops, NULL, &plan, &error));
  check(copse_bound_plan(&mesh->network, mesh->areas, pops, &plan, pops, &bound, &error));
  copse_plan_free(&plan);
  for (unsigned step = 200; step > 0 && bound.rate_bps > 0; step--) {
    size_t served;
    for (uint32_t pop = 0; pop < pops; pop++)
      mesh->uplinks_bps[pop] = bound.rate_bps / 200 * step;
    check(copse_build_trees(&mesh->network, mesh->areas, pops, NULL, &plan, &error));
    served = count_served(&plan);
    copse_plan_free(&plan);
    if (served == pops)
      return step / 200.0;
  }
  return 0;
}

static void
find_gap(uint32_t pops, const char *kind, unsigned density, size_t networks) {
  double shares[ROUNDS_MAX];
  size_t optimal = 0, found = 0;

  for (size_t tries = 0; found < networks && tries < 100 * networks; tries++) {
    struct mesh mesh = mesh_create(pops, density);
    for (size_t arc = 0; arc < mesh.network.arc_count; arc++)
      mesh.arcs[arc].bandwidth_bps = strcmp(kind, "equal") == 0 ? 1000000 : 100000000 + random_up_to(1900000000);
    shares[found] = largest_share(&mesh);
    optimal += shares[found] >= 1;
    found += shares[found] > 0; /* others are not connected */
    mesh_free(&mesh);
  }
  if (found == 0)
    return;
  printf(
    "{\"bench\": \"trees-gap\", \"network\": \"%s\", \"pops\": %u, \"density\": %u, \"networks\": %zu, \"median\": "
    "%.3f, \"p10\": %.3f, \"worst\": %.3f, \"optimal\": %zu}\n",
    kind, pops, density, found, quantile(shares, found, 0.5), quantile(shares, found, 0.1), quantile(shares, found, 0),
    optimal);
}

int
main(int argc, char **argv) {
  unsigned long numbers[6] = {0};

  for (int i = 2; i < argc && i < 6; i++)
    numbers[i] = strtoul(argv[i], NULL, 10);
  if (argc == 6 && strcmp(argv[1], "time") == 0 && numbers[2] > 1 && numbers[4] > 0 && numbers[4] <= ROUNDS_MAX &&
      numbers[5] <= numbers[2])
    time_all((uint32_t)numbers[2], argv[3], numbers[4], numbers[5]);
  else if (argc == 6 && strcmp(argv[1], "gap") == 0 && numbers[2] > 1 && numbers[5] > 0 && numbers[5] <= ROUNDS_MAX)
    find_gap((uint32_t)numbers[2], argv[3], (unsigned)numbers[4], numbers[5]);
  else
    return fprintf(stderr, "usage: trees-bench time POPS random|equal|contended ROUNDS LITERAL_TREES\n"
                           "       trees-bench gap POPS random|equal DENSITY NETWORKS\n"),
           2;
  return 0;
}
