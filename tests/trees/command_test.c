/* SPDX-License-Identifier: Apache-2.0 */
/* copse-trees as it is shipped: what it prints and how it ends. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NETWORK                                                                                                        \
  "network = { pops = ( {name=\"N1\";}, {name=\"N \\\"2\\\"\";}, {name=\"N3\";} ); links = (\n"                        \
  "{from=\"N1\"; to=\"N \\\"2\\\"\"; bandwidth_bps=10e9; both_ways=true;},\n"                                          \
  "{from=\"N1\"; to=\"N3\"; bandwidth_bps=12000000000;} ); };\n"

static char output[65536];
static char path[] = "/tmp/copse-trees-XXXXXX";

/* Writes `text` to a file, if there is any, runs copse-trees with arguments where %s is that file, keeps both of its
 * outputs and returns its exit status. */
static int
run(const char *text, const char *arguments) {
  char expanded[256], command[1024];
  FILE *pipe;
  size_t bytes;
  int status;

  if (text) {
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
  }
  snprintf(expanded, sizeof(expanded), arguments, path);
  snprintf(command, sizeof(command), "'%s' %s 2>&1", getenv("COPSE_TREES"), expanded);
  pipe = popen(command, "r");
  bytes = fread(output, 1, sizeof(output) - 1, pipe);
  output[bytes] = '\0';
  status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
make_file(void) {
  int file = mkstemp(path);

  cr_assert_geq(file, 0);
  close(file);
}

static void
remove_file(void) {
  remove(path);
}

TestSuite(command, .init = make_file, .fini = remove_file);

Test(command, prints_the_plan_as_json) {
  static const char *const expected =
    "{\"trees\": ["
    "{\"root\": \"N1\", \"status\": \"ok\", \"min_bps\": 5000000000, \"max_bps\": 7500000000, \"rate_bps\": 7500000000,"
    " \"edges\": [{\"from\": \"N1\", \"to\": \"N \\\"2\\\"\"}, {\"from\": \"N1\", \"to\": \"N3\"}]},"
    "{\"root\": \"N3\", \"status\": \"no_sender\", \"reason\": \"no peer is admitted to send\", \"edges\": []},"
    "{\"root\": \"N \\\"2\\\"\", \"status\": \"infeasible\", \"reason\": \"only 2 of 3 PoPs can be reached at "
    "9000000000"
    " bit/s\", \"min_bps\": 9000000000, \"max_bps\": 9000000000, \"clamped\": true, \"edges\": []}],"
    "\"links\": ["
    "{\"from\": \"N1\", \"to\": \"N \\\"2\\\"\", \"bandwidth_bps\": 10000000000, \"reserved_bps\": 7500000000},"
    "{\"from\": \"N \\\"2\\\"\", \"to\": \"N1\", \"bandwidth_bps\": 10000000000, \"reserved_bps\": 0},"
    "{\"from\": \"N1\", \"to\": \"N3\", \"bandwidth_bps\": 12000000000, \"reserved_bps\": 7500000000}],"
    "\"bound\": {\"trees\": 2, \"least_bps\": 0, \"rate_bps\": 6000000000, \"gap\": 1.0, \"by\": \"flow\"}}";
  static const char *const text =
    NETWORK "session = { areas = ( {pop=\"N \\\"2\\\"\"; growth=0.9; uplinks_bps=(10e9);}, {pop=\"N3\"; "
            "uplinks_bps=();}, {pop=\"N1\"; seed=true; growth=1.5; uplinks_bps=(5000000000);} ); };";
  json_t *wanted, *printed;

  cr_assert_eq(run(text, "%s"), 0, "%s", output);
  wanted = json_loads(expected, 0, NULL);
  printed = json_loads(output, 0, NULL);
  cr_assert(wanted && printed);
  char *again = json_dumps(printed, JSON_COMPACT), *sure = json_dumps(wanted, JSON_COMPACT);
  cr_expect_str_eq(again, sure); /* members in this order too */
  free(again);
  free(sure);
  json_decref(wanted);
  json_decref(printed);
}

Test(command, prints_empty_and_single_sessions) {
  cr_assert_eq(run("network = {pops = ({name=\"a\";}); links = ();}; session = {areas = ();};", "%s"), 0, "%s", output);
  cr_expect_str_eq(output, "{\"trees\": [],\n\"links\": [],\n\"bound\": {\"trees\": 0, \"least_bps\": 0, "
                           "\"rate_bps\": 0, \"gap\": 0.0, \"by\": \"flow\"}}\n");
  cr_assert_eq(
    run("network = {pops = ({name=\"a\";}); links = ();}; session = {areas = ({pop=\"a\"; uplinks_bps=(5);});};", "%s"),
    0, "%s", output);
  cr_expect_not_null(strstr(output,
                            "{\"root\": \"a\", \"status\": \"single_area\", \"reason\": \"peers of one area use "
                            "direct P2P\", \"min_bps\": 5, \"max_bps\": 5, \"edges\": []}"));
}

Test(command, the_papers_cdn_carries_the_papers_session) {
  static const char *const roots[] = {"N1", "N4", "N2", "N3", "N5", "N6"};
  json_t *printed, *tree, *link;
  size_t i;

  cr_assert_eq(run(NULL, "\"$COPSE_SOURCE/config/topologies/paper.cfg\""), 0, "%s", output);
  printed = json_loads(output, 0, NULL);
  cr_assert_eq(json_array_size(json_object_get(printed, "trees")), 6);
  cr_assert_eq(json_array_size(json_object_get(printed, "links")), 30);
  json_array_foreach(json_object_get(printed, "trees"), i, tree) {
    cr_expect_str_eq(json_string_value(json_object_get(tree, "root")), roots[i]);
    cr_expect_str_eq(json_string_value(json_object_get(tree, "status")), "ok");
    cr_expect_eq(json_integer_value(json_object_get(tree, "rate_bps")), 200000);
    cr_expect_eq(json_array_size(json_object_get(tree, "edges")), 5);
  }
  json_array_foreach(json_object_get(printed, "links"), i, link) {
    cr_expect_eq(json_integer_value(json_object_get(link, "bandwidth_bps")), 1000000);
    cr_expect_leq(json_integer_value(json_object_get(link, "reserved_bps")), 1000000);
  }
  link = json_object_get(printed, "bound");
  cr_expect_eq(json_integer_value(json_object_get(link, "rate_bps")), 200000);
  cr_expect_eq(json_real_value(json_object_get(link, "gap")), 0);
  json_decref(printed);
}

Test(command, prints_a_graph) {
  cr_assert_eq(run(NETWORK
                   "session = { areas = ( {pop=\"N1\"; uplinks_bps=(1500);}, {pop=\"N3\"; uplinks_bps=();} ); };",
                   "--dot %s"),
               0, "%s", output);
  cr_expect_eq(strncmp(output, "digraph trees {\n", 16), 0);
  cr_expect_not_null(strstr(output, "  \"N1\" -> \"N3\" [label=\"1.5 kb/s\", color=\"0.000 0.85 0.75\"];\n"), "%s",
                     output);
  cr_expect_not_null(strstr(output, "  \"N \\\"2\\\"\";\n"));
  cr_expect_not_null(
    strstr(output, "label=\"least of 1 trees: 1.5 kb/s; no plan has more than 1.5 kb/s (by flow); gap 0.0 %\";\n"),
    "%s", output);
}

Test(command, bad_input_ends_with_2_and_a_place) {
  char expected[256];

  cr_expect_eq(run(NETWORK "session = {\n areas = ( {pop=\"N9\"; uplinks_bps=();} ); };", "%s"), 2);
  snprintf(expected, sizeof(expected), "%s:5: unknown PoP 'N9'\n", path);
  cr_expect_str_eq(output, expected, "%s", output);
  cr_expect_eq(run(NETWORK "session = \n", "%s"), 2);
  cr_expect_eq(run(NULL, "/nonexistent.cfg"), 2);
  cr_expect_str_eq(output, "/nonexistent.cfg: cannot be opened: No such file or directory\n");
  cr_expect_eq(run(NULL, "/"), 2);
  cr_expect_str_eq(output, "/: cannot be read: Is a directory\n");
}

Test(command, usage) {
  cr_expect_eq(run(NULL, "--help"), 0);
  cr_expect_not_null(strstr(output, "Usage: copse-trees FILE [--dot]"));
  cr_expect_eq(run(NULL, "--version"), 0);
  cr_expect_eq(strncmp(output, "copse-trees 0.", 14), 0);
  cr_expect_eq(run(NULL, ""), 2);
  cr_expect_eq(run(NULL, "a b"), 2);
  cr_expect_eq(run(NULL, "--leaf %s"), 2);
}

Test(command, output_that_cannot_be_written_is_a_failure) {
  cr_expect_eq(run(NETWORK "session = { areas = (); };", "%s > /dev/full"), 1);
}
