/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {
  [COPSE_TREE_OK] = "ok",
  [COPSE_TREE_INFEASIBLE] = "infeasible",
  [COPSE_TREE_NO_SENDER] = "no_sender",
  [COPSE_TREE_SINGLE_AREA] = "single_area",
};

/* Large plans are millions of edges: what is many is printed as text, with names that are JSON already. */
struct printer {
  const struct copse_topology *topology;
  char **names; /* of PoPs, quoted */
  FILE *out;
};

static void
print_edge(const struct printer *printer, uint32_t from, uint32_t to) {
  fputs_unlocked("{\"from\": ", printer->out);
  fputs_unlocked(printer->names[from], printer->out);
  fputs_unlocked(", \"to\": ", printer->out);
  fputs_unlocked(printer->names[to], printer->out);
}

/* The tree's object up to its edges. */
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
  return object;
}

/* Prints the object without its end, and frees it. */
static int
print_open(json_t *object, FILE *out) {
  char *text = object ? json_dumps(object, 0) : NULL;

  if (text)
    fwrite(text, 1, strlen(text) - 1, out);
  free(text);
  json_decref(object);
  return text ? 0 : -ENOMEM;
}

static int
print_tree(const struct printer *printer, const struct copse_built_tree *tree) {
  int status = print_open(tree_json(printer->topology, tree), printer->out);

  fputs(", \"edges\": [", printer->out);
  for (size_t i = 0; i < tree->edge_count; i++) {
    fputs_unlocked(i > 0 ? ", " : "", printer->out);
    print_edge(printer, tree->edges[i].from, tree->edges[i].to);
    fputs_unlocked("}", printer->out);
  }
  fputs("]}", printer->out);
  return status;
}

static void
print_link(const struct printer *printer, const struct copse_arc *arc, uint64_t reserved_bps) {
  print_edge(printer, arc->from, arc->to);
  fprintf(printer->out, ", \"bandwidth_bps\": %" PRIu64 ", \"reserved_bps\": %" PRIu64 "}", arc->bandwidth_bps,
          reserved_bps);
}

static int
quote_names(struct printer *printer) {
  uint32_t count = printer->topology->pop_count;

  printer->names = calloc(count + 1UL, sizeof(*printer->names));
  for (uint32_t i = 0; printer->names && i < count; i++) {
    json_t *name = json_string(printer->topology->names[i]);
    printer->names[i] = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
    json_decref(name);
    if (!printer->names[i])
      return -ENOMEM;
  }
  return printer->names ? 0 : -ENOMEM;
}

static json_t *
bound_json(const struct copse_bound *bound) {
  return json_pack("{sI sI sI sf ss}", "trees", (json_int_t)bound->trees, "least_bps", (json_int_t)bound->least_bps,
                   "rate_bps", (json_int_t)bound->rate_bps, "gap", copse_gap(bound), "by",
                   bound->flow ? "flow" : "cut");
}

static int
print_plan(const struct printer *printer, const struct copse_plan *plan, const struct copse_bound *bound) {
  const struct copse_topology *topology = printer->topology;
  FILE *out = printer->out;
  int status = 0;

  fputs("{\"trees\": [", out);
  for (size_t i = 0; i < plan->tree_count && !status; i++) {
    fputs(i > 0 ? ",\n  " : "\n  ", out);
    status = print_tree(printer, &plan->trees[i]);
  }
  fputs("],\n\"links\": [", out);
  for (size_t i = 0; i < topology->arc_count; i++) {
    fputs_unlocked(i > 0 ? ",\n  " : "\n  ", out);
    print_link(printer, &topology->arcs[i], plan->reserved_bps[i]);
  }
  fputs("],\n\"bound\": ", out);
  if (!status)
    status = print_open(bound_json(bound), out);
  fputs("}}\n", out);
  return status;
}

int
copse_plan_print_json(const struct copse_trees_input *input, const struct copse_plan *plan,
                      const struct copse_bound *bound, FILE *out) {
  struct printer printer = {.topology = &input->topology, .out = out};
  int status = quote_names(&printer);

  if (!status)
    status = print_plan(&printer, plan, bound);
  for (uint32_t i = 0; printer.names && i < input->topology.pop_count; i++)
    free(printer.names[i]);
  free(printer.names);
  return status;
}
