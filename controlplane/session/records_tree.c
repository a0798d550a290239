/* SPDX-License-Identifier: Apache-2.0 */
/* Records of plans and of single trees. */
#include "records.h"
#include <stdlib.h>

static const char *const status_names[] = {
  [COPSE_TREE_OK] = "ok",
  [COPSE_TREE_INFEASIBLE] = "infeasible",
  [COPSE_TREE_NO_SENDER] = "no_sender",
  [COPSE_TREE_SINGLE_AREA] = "single_area",
};
#define STATUS_COUNT (sizeof(status_names) / sizeof(status_names[0]))

const char *
copse_tree_status_name(enum copse_tree_status status) {
  return status_names[status];
}

static bool
read_status(const json_t *json, enum copse_tree_status *out) {
  const char *name = json_string_value(json_object_get(json, "status"));

  for (size_t i = 0; i < STATUS_COUNT && name != NULL; i++) {
    if (strcmp(name, status_names[i]) == 0) {
      *out = (enum copse_tree_status)i;
      return true;
    }
  }
  return false;
}

/* A name out of `pops`, by its number there. */
static bool
read_pop(const json_t *pops, const json_t *number, char out[COPSE_NAME_BYTES]) {
  json_int_t place = json_is_integer(number) ? json_integer_value(number) : -1;
  const char *name = place < 0 ? NULL : json_string_value(json_array_get(pops, (size_t)place));

  if (name == NULL || strlen(name) >= COPSE_NAME_BYTES)
    return false;
  copse_copy(out, COPSE_NAME_BYTES, name);
  return true;
}

/* Numbers in pairs: from, to. */
static bool
read_edges(const json_t *json, const json_t *pops, struct copse_planned_tree *out) {
  size_t count = json_array_size(json) / 2;

  if (!json_is_array(json) || json_array_size(json) % 2 != 0)
    return false;
  out->edges = count == 0 ? NULL : calloc(count, sizeof(*out->edges));
  if (count > 0 && out->edges == NULL)
    return false;
  out->edge_count = count;
  for (size_t i = 0; i < count; i++)
    if (!read_pop(pops, json_array_get(json, 2 * i), out->edges[i].from) ||
        !read_pop(pops, json_array_get(json, 2 * i + 1), out->edges[i].to))
      return false;
  return true;
}

static bool
read_tree(const json_t *json, const json_t *pops, struct copse_planned_tree *out) {
  uint64_t number;

  out->clamped = json_is_true(json_object_get(json, "clamped"));
  out->growth = json_number_value(json_object_get(json, "growth"));
  if (!read_status(json, &out->status) || !copse_json_number(json, "number", &number) || number > UINT32_MAX)
    return false;
  out->number = (uint32_t)number;
  return copse_json_text(json, "id", out->id, sizeof(out->id)) &&
         copse_json_text(json, "root", out->root, sizeof(out->root)) &&
         copse_json_text(json, "reason", out->reason, sizeof(out->reason)) &&
         copse_json_number(json, "min_bps", &out->min_bps) && copse_json_number(json, "max_bps", &out->max_bps) &&
         copse_json_number(json, "rate_bps", &out->rate_bps) &&
         copse_json_hex(json, "key", out->key, sizeof(out->key)) &&
         read_edges(json_object_get(json, "edges"), pops, out);
}

static bool
read_trees(const json_t *json, const json_t *pops, struct copse_planned_tree **out, size_t *out_count) {
  size_t count = json_array_size(json);

  *out = count == 0 ? NULL : calloc(count, sizeof(**out));
  if (!json_is_array(json) || (count > 0 && *out == NULL))
    return false;
  for (*out_count = 0; *out_count < count; ++*out_count) {
    if (!read_tree(json_array_get(json, *out_count), pops, &(*out)[*out_count])) {
      ++*out_count; /* what was read of it is freed with the others */
      return false;
    }
  }
  return true;
}

bool
copse_plan_read(const json_t *json, struct copse_plan_record *out) {
  json_int_t bound_bps = json_integer_value(json_object_get(json, "bound_bps"));
  const json_t *pops = json_object_get(json, "pops");

  *out = (struct copse_plan_record){.numbers = json_deep_copy(json_object_get(json, "numbers")),
                                    .bound_bps = bound_bps > 0 ? (uint64_t)bound_bps : 0};
  if (copse_json_number(json, "epoch", &out->epoch) && json_is_object(out->numbers) &&
      read_trees(json_object_get(json, "trees"), pops, &out->trees, &out->tree_count) &&
      read_trees(json_object_get(json, "leaving"), pops, &out->leaving, &out->leaving_count))
    return true;
  copse_plan_record_free(out);
  return false;
}

/* PoPs as edges name them: 200 trees of 200 PoPs by name would be more than a value may have. */
struct naming {
  json_t *pops, *numbers; /* ["P", …] and {"P": number} */
};

static json_t *
number_of(struct naming *naming, const char *pop) {
  json_t *number = json_object_get(naming->numbers, pop);

  if (number != NULL)
    return json_incref(number);
  number = json_integer((json_int_t)json_array_size(naming->pops));
  json_array_append_new(naming->pops, json_string(pop));
  json_object_set(naming->numbers, pop, number);
  return number;
}

static json_t *
write_tree(const struct copse_planned_tree *tree, struct naming *naming) {
  char key[2 * COPSE_KEY_BYTES + 1];
  json_t *edges = json_array();

  for (size_t i = 0; i < tree->edge_count; i++) {
    json_array_append_new(edges, number_of(naming, tree->edges[i].from));
    json_array_append_new(edges, number_of(naming, tree->edges[i].to));
  }
  copse_hex(tree->key, sizeof(tree->key), key);
  return json_pack("{s:s, s:I, s:s, s:s, s:s, s:b, s:f, s:I, s:I, s:I, s:s, s:o}", "id", tree->id, "number",
                   (json_int_t)tree->number, "root", tree->root, "status", copse_tree_status_name(tree->status),
                   "reason", tree->reason, "clamped", tree->clamped, "growth", tree->growth, "min_bps",
                   (json_int_t)tree->min_bps, "max_bps", (json_int_t)tree->max_bps, "rate_bps",
                   (json_int_t)tree->rate_bps, "key", key, "edges", edges);
}

static json_t *
write_trees(const struct copse_planned_tree *trees, size_t count, struct naming *naming) {
  json_t *array = json_array();

  for (size_t i = 0; i < count; i++)
    json_array_append_new(array, write_tree(&trees[i], naming));
  return array;
}

json_t *
copse_plan_write(const struct copse_plan_record *plan) {
  struct naming naming = {.pops = json_array(), .numbers = json_object()};
  json_t *trees = write_trees(plan->trees, plan->tree_count, &naming);
  json_t *leaving = write_trees(plan->leaving, plan->leaving_count, &naming);

  json_decref(naming.numbers);
  return json_pack("{s:I, s:I, s:O, s:o, s:o, s:o}", "epoch", (json_int_t)plan->epoch, "bound_bps",
                   (json_int_t)plan->bound_bps, "numbers", plan->numbers, "pops", naming.pops, "trees", trees,
                   "leaving", leaving);
}

static void
free_trees(struct copse_planned_tree *trees, size_t count) {
  for (size_t i = 0; trees != NULL && i < count; i++)
    free(trees[i].edges);
  free(trees);
}

void
copse_plan_record_free(struct copse_plan_record *plan) {
  free_trees(plan->trees, plan->tree_count);
  free_trees(plan->leaving, plan->leaving_count);
  json_decref(plan->numbers);
  *plan = (struct copse_plan_record){0};
}

bool
copse_tree_record_read(const json_t *json, struct copse_tree_record *out) {
  const json_t *grants = json_object_get(json, "grants");

  *out = (struct copse_tree_record){.grant_count = json_array_size(grants)};
  if (!json_is_array(grants) || out->grant_count > COPSE_GRANTS_MAX)
    return false;
  for (size_t i = 0; i < out->grant_count; i++) {
    const json_t *grant = json_array_get(grants, i);

    if (!copse_json_text(grant, "account", out->grants[i].account, sizeof(out->grants[i].account)) ||
        !copse_json_number(grant, "bytes", &out->grants[i].bytes))
      return false;
  }
  out->counted_bytes = copse_json_number_or(json, "counted_bytes", 0);
  out->red_pps = copse_json_number_or(json, "red_pps", 0);
  out->unpaid_pps = copse_json_number_or(json, "unpaid_pps", 0);
  return copse_json_text(json, "root", out->root, sizeof(out->root)) &&
         copse_json_hex(json, "instance", &out->instance, sizeof(out->instance)) &&
         copse_json_number(json, "base_bytes", &out->base_bytes) &&
         copse_json_number(json, "granted_bytes", &out->granted_bytes) &&
         copse_json_number(json, "charged_bytes", &out->charged_bytes) &&
         copse_json_number(json, "lost_bytes", &out->lost_bytes) && copse_json_number(json, "bps", &out->bps) &&
         copse_json_number(json, "packets", &out->packets) && copse_json_number(json, "bytes", &out->bytes);
}

json_t *
copse_tree_record_write(const struct copse_tree_record *record) {
  char instance[2 * sizeof(record->instance) + 1];
  json_t *grants = json_array();

  for (size_t i = 0; i < record->grant_count; i++)
    json_array_append_new(grants, json_pack("{s:s, s:I}", "account", record->grants[i].account, "bytes",
                                            (json_int_t)record->grants[i].bytes));
  copse_hex(&record->instance, sizeof(record->instance), instance);
  return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I}", "root", record->root,
                   "instance", instance, "counted_bytes", (json_int_t)record->counted_bytes, "base_bytes",
                   (json_int_t)record->base_bytes, "granted_bytes", (json_int_t)record->granted_bytes, "charged_bytes",
                   (json_int_t)record->charged_bytes, "lost_bytes", (json_int_t)record->lost_bytes, "grants", grants,
                   "bps", (json_int_t)record->bps, "packets", (json_int_t)record->packets, "bytes",
                   (json_int_t)record->bytes, "red_pps", (json_int_t)record->red_pps, "unpaid_pps",
                   (json_int_t)record->unpaid_pps);
}

uint64_t
copse_tree_record_leased(const struct copse_tree_record *record) {
  uint64_t sum = 0;

  for (size_t i = 0; i < record->grant_count; i++)
    sum += record->grants[i].bytes;
  return sum;
}
