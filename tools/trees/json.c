/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"
#include <errno.h>
#include <jansson.h>

static const char *const status_names[] = {
  [COPSE_TREE_OK] = "ok",
  [COPSE_TREE_INFEASIBLE] = "infeasible",
  [COPSE_TREE_NO_SENDER] = "no_sender",
  [COPSE_TREE_SINGLE_AREA] = "single_area",
};

static json_t *
edges_json(const struct copse_topology *topology, const struct copse_built_tree *tree) {
  json_t *edges = json_array();

  for (size_t i = 0; i < tree->edge_count; i++)
    json_array_append_new(edges, json_pack("{ss ss}", "from", topology->names[tree->edges[i].from], "to",
                                           topology->names[tree->edges[i].to]));
  return edges;
}

static json_t *
tree_json(const struct copse_topology *topology, const struct copse_built_tree *tree) {
  json_t *object = json_pack("{ss ss}", "root", topology->names[tree->root], "status", status_names[tree->status]);

  if (tree->status != COPSE_TREE_OK)
    json_object_set_new(object, "reason", json_string(tree->reason));
  if (tree->max_bps > 0) {
    json_object_set_new(object, "min_bps", json_integer((json_int_t)tree->min_bps));
    json_object_set_new(object, "max_bps", json_integer((json_int_t)tree->max_bps));
  }
  if (tree->clamped)
    json_object_set_new(object, "clamped", json_true());
  if (tree->status == COPSE_TREE_OK)
    json_object_set_new(object, "rate_bps", json_integer((json_int_t)tree->rate_bps));
  json_object_set_new(object, "edges", edges_json(topology, tree));
  return object;
}

static json_t *
link_json(const struct copse_topology *topology, const struct copse_plan *plan, size_t arc) {
  return json_pack("{ss ss sI sI}", "from", topology->names[topology->arcs[arc].from], "to",
                   topology->names[topology->arcs[arc].to], "bandwidth_bps",
                   (json_int_t)topology->arcs[arc].bandwidth_bps, "reserved_bps", (json_int_t)plan->reserved_bps[arc]);
}

/* Prints and frees the element; a large plan is never in memory as a whole. */
static int
print_element(json_t *element, size_t index, FILE *out) {
  int status;

  fputs(index > 0 ? ",\n  " : "\n  ", out);
  status = element ? json_dumpf(element, out, JSON_ENCODE_ANY) : -1;
  json_decref(element);
  return status ? -ENOMEM : 0;
}

int
copse_plan_print_json(const struct copse_trees_input *input, const struct copse_plan *plan, FILE *out) {
  const struct copse_topology *topology = &input->topology;
  int status = 0;

  fputs("{\"trees\": [", out);
  for (size_t i = 0; i < plan->tree_count && !status; i++)
    status = print_element(tree_json(topology, &plan->trees[i]), i, out);
  fputs("],\n\"links\": [", out);
  for (size_t i = 0; i < topology->arc_count && !status; i++)
    status = print_element(link_json(topology, plan, i), i, out);
  fputs("]}\n", out);
  return status;
}
