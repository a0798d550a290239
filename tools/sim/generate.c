/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of any size, made of a seed. Routers are at random places of a rectangle, the first ones at the same places
 * however many there are. Two are linked where no third one is nearer to both than they are to each other: the relative
 * neighbourhood graph (Toussaint 1980), which is connected, and as sparse as backbones are. PoPs are at routers as far
 * from each other as can be, one after the other (Gonzalez 1985), and a router is in the area of the PoP next to it. */
#include "study.h"

#include <math.h>
#include <stdlib.h>

#define FIBRE_MS_PER_KM 0.005

struct place {
  double x, y; /* km */
};

int
study_generated_read(struct copse_reader *reader, const config_setting_t *group, void *target) {
  static const struct copse_key keys[] = {
    {.name = "pops",
     .kind = COPSE_KEY_UINT,
     .offset = offsetof(struct study_generated, pops),
     .required = true,
     .minimum = 1,
     .maximum = STUDY_ROUTERS_MAX},
    {.name = "routers",
     .kind = COPSE_KEY_UINT,
     .offset = offsetof(struct study_generated, routers),
     .maximum = STUDY_ROUTERS_MAX},
    {.name = "seed", .kind = COPSE_KEY_UINT, .offset = offsetof(struct study_generated, seed), .maximum = UINT32_MAX},
    {.name = "width_km",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_generated, width_km),
     .required = true,
     .minimum = 1,
     .maximum = 1e5},
    {.name = "height_km",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_generated, height_km),
     .required = true,
     .minimum = 1,
     .maximum = 1e5},
    {0},
  };

  return copse_group_read(reader, group, keys, &((struct study *)target)->generated);
}

size_t
study_router_count(const struct study *study) {
  const struct study_generated *generated = &study->generated;

  if (generated->pops == 0)
    return study->router_count;
  return generated->routers > 0 ? generated->routers : generated->pops;
}

static double
distance(struct place a, struct place b) {
  return hypot(a.x - b.x, a.y - b.y);
}

static struct place *
place_routers(const struct study_generated *generated, size_t count) {
  struct place *places = sim_allocate(count, sizeof(*places));
  struct sim_random random;

  sim_random_seed(&random, generated->seed);
  for (size_t i = 0; i < count; i++) {
    places[i].x = sim_uniform(&random) * generated->width_km;
    places[i].y = sim_uniform(&random) * generated->height_km;
  }
  return places;
}

static bool
are_neighbours(const struct place *places, size_t count, size_t a, size_t b) {
  const double apart = distance(places[a], places[b]);

  for (size_t i = 0; i < count; i++)
    if (i != a && i != b && distance(places[i], places[a]) < apart && distance(places[i], places[b]) < apart)
      return false;
  return true;
}

static void
link_routers(struct study *study, const struct place *places) {
  study->links = NULL;
  study->link_count = 0;
  for (uint32_t a = 0; a < study->router_count; a++)
    for (uint32_t b = a + 1; b < study->router_count; b++)
      if (are_neighbours(places, study->router_count, a, b)) {
        study->links = sim_enlarge(study->links, study->link_count + 1, sizeof(*study->links));
        study->links[study->link_count++] = (struct study_link){a, b, distance(places[a], places[b]) * FIBRE_MS_PER_KM};
      }
}

static void
place_pops(struct study *study, const struct place *places) {
  double *nearest = sim_allocate(study->router_count, sizeof(*nearest)); /* km to the PoP of its area */
  uint32_t router = 0;

  study->pop_of = sim_allocate(study->router_count, sizeof(*study->pop_of));
  study->cdn.pops = sim_allocate(study->cdn.pop_count, sizeof(*study->cdn.pops));
  for (uint32_t pop = 0; pop < study->cdn.pop_count; pop++) {
    uint32_t farthest = 0;
    study->cdn.pops[pop].router = router;
    for (uint32_t i = 0; i < study->router_count; i++) {
      const double away = distance(places[i], places[router]);
      if (pop == 0 || away < nearest[i]) {
        nearest[i] = away;
        study->pop_of[i] = pop;
      }
      if (nearest[i] > nearest[farthest])
        farthest = i;
    }
    router = farthest;
  }
  free(nearest);
}

void
study_generate(struct study *study) {
  if (study->generated.pops == 0)
    return;
  study->router_count = study_router_count(study);
  study->cdn.pop_count = study->generated.pops;
  struct place *places = place_routers(&study->generated, study->router_count);
  link_routers(study, places);
  place_pops(study, places);
  free(places);
}

void
study_generated_free(struct study *study) {
  if (study->generated.pops == 0)
    return;
  free(study->links);
  free(study->pop_of);
  free(study->cdn.pops);
}
