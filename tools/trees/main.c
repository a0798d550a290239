/* SPDX-License-Identifier: Apache-2.0 */
/* copse-trees: BuildTrees offline. */
#include "output.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

enum { EXIT_BAD_INPUT = 2 };

static const char usage[] =
  "Usage: copse-trees FILE [--dot]\n"
  "\n"
  "Builds one bandwidth-bounded tree for every area of the session in FILE, and prints them with what they reserve on\n"
  "each link as JSON, and the least of their rates beside the largest that any plan can have.\n"
  "\n"
  "  --dot       print a graph for graphviz instead: copse-trees FILE --dot | dot -Tpng > trees.png\n"
  "  --help      print this\n"
  "  --version   print the version\n"
  "\n"
  "Exit status: 0 when FILE is valid, whatever is feasible; 2 when it is not; 1 for any other failure.\n"
  "Example: copse-trees config/topologies/paper.cfg\n";

static int
fail(int status, const char *sentence) {
  fprintf(stderr, "copse-trees: %s\n", sentence);
  return status;
}

/* Nothing is printed that has not been verified. */
static int
plan_and_print(const struct copse_trees_input *input, bool dot) {
  struct copse_network network = copse_topology_network(&input->topology);
  struct copse_error error = {{0}};
  struct copse_bound bound;
  struct copse_plan plan;
  int status = copse_build_trees(&network, input->areas, input->area_count, &input->shape, &plan, &error);

  if (status)
    return fail(EXIT_FAILURE, error.text);
  status = copse_verify_plan(&network, input->areas, input->area_count, &input->shape, &plan, &error);
  if (!status)
    status = copse_bound_plan(&network, input->areas, input->area_count, &plan, COPSE_FLOW_AREAS, &bound, &error);
  if (!status && dot)
    copse_plan_print_dot(input, &plan, &bound, stdout);
  else if (!status && copse_plan_print_json(input, &plan, &bound, stdout) != 0)
    status = copse_fail(&error, -ENOMEM, "not enough memory to print the plan");
  if (!status && (fflush(stdout) != 0 || ferror(stdout)))
    status = copse_fail(&error, -EIO, "the plan cannot be written: %m");
  copse_plan_free(&plan);
  return status ? fail(EXIT_FAILURE, error.text) : EXIT_SUCCESS;
}

static int
run(const char *path, bool dot) {
  struct copse_trees_input input = {0};
  struct copse_error error = {{0}};
  int status = copse_trees_input_read(path, &input, &error);

  if (status) {
    fprintf(stderr, "%s\n", error.text);
    status = status == -ENOMEM ? EXIT_FAILURE : EXIT_BAD_INPUT;
  } else {
    status = plan_and_print(&input, dot);
  }
  copse_trees_input_free(&input);
  return status;
}

int
main(int argc, char **argv) {
  static const struct option options[] = {
    {"dot", no_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {0},
  };
  bool dot = false;
  int option;

  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    switch (option) {
    case 'd':
      dot = true;
      break;
    case 'h':
      fputs(usage, stdout);
      return EXIT_SUCCESS;
    case 'v':
      puts("copse-trees " COPSE_VERSION);
      return EXIT_SUCCESS;
    default:
      return fail(EXIT_BAD_INPUT, "try copse-trees --help");
    }
  }
  if (optind + 1 != argc)
    return fail(EXIT_BAD_INPUT, "exactly one FILE is needed; try copse-trees --help");
  return run(argv[optind], dot);
}
