/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"
#include <math.h>

#define GOLDEN_RATIO 0.618033988749895 /* steps of hue that stay far from each other however many there are */

static void
print_quoted(const char *name, FILE *out) {
  fputc('"', out);
  for (; *name; name++) {
    if (*name == '"' || *name == '\\')
      fputc('\\', out);
    fputc(*name, out);
  }
  fputc('"', out);
}

static void
print_color(size_t tree, FILE *out) {
  double whole;

  fprintf(out, "color=\"%.3f 0.85 0.75\"", modf((double)tree * GOLDEN_RATIO, &whole));
}

/* 200000 is 200 kb/s; as many digits as it takes. */
static void
print_rate(uint64_t rate_bps, FILE *out) {
  static const char *const units[] = {"b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"};
  double rate = (double)rate_bps;
  size_t unit = 0;

  while (rate >= 1000 && unit + 1 < sizeof(units) / sizeof(*units)) {
    rate /= 1000;
    unit++;
  }
  fprintf(out, "%.6g %s", rate, units[unit]);
}

static void
print_tree(const struct copse_topology *topology, const struct copse_built_tree *tree, size_t number, FILE *out) {
  fputs("  ", out);
  print_quoted(topology->names[tree->root], out);
  fputs(" [style=bold, ", out);
  print_color(number, out);
  fputs("];\n", out);
  for (size_t i = 0; i < tree->edge_count; i++) {
    fputs("  ", out);
    print_quoted(topology->names[tree->edges[i].from], out);
    fputs(" -> ", out);
    print_quoted(topology->names[tree->edges[i].to], out);
    fputs(" [label=\"", out);
    print_rate(tree->rate_bps, out);
    fputs("\", ", out);
    print_color(number, out);
    fputs("];\n", out);
  }
}

static void
print_bound(const struct copse_bound *bound, FILE *out) {
  fputs("  label=\"least of ", out);
  fprintf(out, "%zu trees: ", bound->trees);
  print_rate(bound->least_bps, out);
  fputs("; no plan has more than ", out);
  print_rate(bound->rate_bps, out);
  fprintf(out, " (by %s); gap %.1f %%\";\n", bound->flow ? "flow" : "cut", 100 * copse_gap(bound));
}

void
copse_plan_print_dot(const struct copse_trees_input *input, const struct copse_plan *plan,
                     const struct copse_bound *bound, FILE *out) {
  const struct copse_topology *topology = &input->topology;

  fputs("digraph trees {\n"
        "  node [shape=ellipse, style=dashed, fontname=\"sans\"];\n"
        "  edge [fontname=\"sans\", fontsize=9, penwidth=1.5];\n",
        out);
  print_bound(bound, out);
  for (uint32_t pop = 0; pop < topology->pop_count; pop++) {
    fputs("  ", out);
    print_quoted(topology->names[pop], out);
    fputs(";\n", out);
  }
  for (size_t i = 0; i < input->area_count; i++) {
    fputs("  ", out);
    print_quoted(topology->names[input->areas[i].pop], out);
    fputs(" [style=solid];\n", out);
  }
  for (size_t i = 0; i < plan->tree_count; i++)
    if (plan->trees[i].status == COPSE_TREE_OK)
      print_tree(topology, &plan->trees[i], i, out);
  fputs("}\n", out);
}
