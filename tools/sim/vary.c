/* SPDX-License-Identifier: Apache-2.0 */
/* What a study varies: reading it, and each value in its place. */
#include "study.h"

#include <errno.h>
#include <string.h>

static void
set_budget(struct study *study, double value) {
  study->cdn.budget_bps = value;
}

static void
set_core(struct study *study, double value) {
  study->core = value;
}

static void
set_growth(struct study *study, double value) {
  study->cdn.growth = value;
}

static void
set_loss(struct study *study, double value) {
  study->access.loss = value;
}

static void
set_pops(struct study *study, double value) {
  study->generated.pops = (uint64_t)value;
}

static void
set_seeds(struct study *study, double value) {
  study->seeds_count = (size_t)value;
}

static void
set_slow(struct study *study, double value) {
  study->slow.count = (size_t)value;
}

static const struct quantity {
  const char *key;
  double minimum, maximum;
  void (*set)(struct study *study, double value);
} quantities[] = {
  {"budget_bps", 1000, 1e12, set_budget},   {"growth", 1, 1e6, set_growth},           {"loss", 0, 0.5, set_loss},
  {"core", 0.001, 1e6, set_core},           {"pops", 1, STUDY_ROUTERS_MAX, set_pops}, /* of a network that is generated
                                                                                       */
  {"seeds", 1, STUDY_PEERS_MAX, set_seeds}, /* the first so many of the list */
  {"slow", 0, STUDY_PEERS_MAX, set_slow},   /* the same */
};

static const struct quantity *
find(const char *key) {
  for (size_t i = 0; i < sizeof(quantities) / sizeof(*quantities); i++)
    if (strcmp(quantities[i].key, key) == 0)
      return &quantities[i];
  return NULL;
}

struct study
study_at(const struct study *study, const struct study_case *which) {
  struct study changed = *study;

  if (study->vary.key != NULL)
    find(study->vary.key)->set(&changed, which->value);
  return changed;
}

uint32_t
study_peers(const struct study *study, size_t index) {
  return (uint32_t)(study->peers[index] * (study->peers_each ? study_router_count(study) : 1));
}

static int
read_value(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct study_vary *vary = target;
  double value;

  if (!copse_setting_number(element, &value))
    return copse_setting_fail(reader, element, "must be a number");
  vary->values = sim_enlarge(vary->values, vary->count + 1, sizeof(*vary->values));
  vary->values[vary->count++] = value;
  return 0;
}

int
study_vary_read(struct copse_reader *reader, const config_setting_t *group, void *target) {
  static const struct copse_key keys[] = {
    {.name = "key", .kind = COPSE_KEY_STRING, .offset = offsetof(struct study_vary, key), .required = true},
    {.name = "values", .kind = COPSE_KEY_LIST, .required = true, .parse = read_value},
    {0},
  };

  return copse_group_read(reader, group, keys, &((struct study *)target)->vary);
}

int
study_vary_check(const struct study *study, const char *file, struct copse_error *error) {
  const struct study_vary *vary = &study->vary;
  const struct quantity *quantity = vary->key == NULL ? NULL : find(vary->key);

  if (vary->key == NULL)
    return 0;
  if (quantity == NULL)
    return copse_fail(error, -EINVAL, "%s: '%s' cannot be varied", file, vary->key);
  if (vary->count == 0)
    return copse_fail(error, -EINVAL, "%s: 'vary' has no values", file);
  for (size_t i = 0; i < vary->count; i++) {
    const struct study changed = study_at(study, &(struct study_case){.value = vary->values[i]});
    if (!(vary->values[i] >= quantity->minimum && vary->values[i] <= quantity->maximum))
      return copse_fail(error, -EINVAL, "%s: '%s' cannot be %g", file, vary->key, vary->values[i]);
    if (changed.generated.pops > 0 && study->generated.pops == 0)
      return copse_fail(error, -EINVAL, "%s: 'pops' can be varied of a network that is 'generated'", file);
    if (changed.seeds_count > study->seeds_count || changed.slow.count > study->slow.peers_count)
      return copse_fail(error, -EINVAL, "%s: '%s' cannot be %g: fewer are listed", file, vary->key, vary->values[i]);
  }
  return 0;
}
