/* SPDX-License-Identifier: Apache-2.0 */
/* What copse-trees accepts, and what it says about what it does not. */
#include "input.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define POPS "network = { pops = ( { name = \"a\"; }, { name = \"b\"; egress_bps = 5e6; } );\n"
#define LINKS "links = ( { from = \"a\"; to = \"b\"; bandwidth_bps = 1e6; } ); };\n"
#define AREA "session = { areas = ( { pop = \"a\"; uplinks_bps = ( 1 ); } ); };"

static struct copse_trees_input input;
static struct copse_error error;

static int
read_text(const char *text) {
  copse_trees_input_free(&input);
  memset(&input, 0, sizeof(input));
  memset(&error, 0, sizeof(error));
  return copse_trees_input_text("in.cfg", text, &input, &error);
}

static void
cleanup(void) {
  copse_trees_input_free(&input);
}

TestSuite(input, .fini = cleanup);

Test(input, everything_that_can_be_said) {
  cr_assert_eq(
    read_text("limits = { max_depth = 3; max_fanout = 8; };\n" POPS
              "links = ( { from = \"b\"; to = \"a\"; bandwidth_bps = 10000000000; delay_ms = 2; both_ways = "
              "true; } ); };\n"
              "session = { areas = ( { pop = \"b\"; seed = true; growth = 1.5; uplinks_bps = ( 200e3, 7 ); },"
              " { pop = \"a\"; uplinks_bps = [ ]; } ); };"),
    0, "%s", error.text);
  cr_expect_eq(input.topology.pop_count, 2);
  cr_expect_str_eq(input.topology.names[1], "b");
  cr_expect_eq(input.topology.egress_bps[0], COPSE_NO_LIMIT);
  cr_expect_eq(input.topology.egress_bps[1], 5000000);
  cr_assert_eq(input.topology.arc_count, 2);
  for (uint32_t i = 0; i < 2; i++) {
    cr_expect_eq(input.topology.arcs[i].from, 1 - i);
    cr_expect_eq(input.topology.arcs[i].to, i);
    cr_expect_eq(input.topology.arcs[i].bandwidth_bps, 10000000000);
    cr_expect_eq(input.topology.delays_ms[i], 2);
  }
  cr_assert_eq(input.area_count, 2);
  cr_expect_eq(input.areas[0].pop, 1);
  cr_expect(input.areas[0].seed);
  cr_expect_eq(input.areas[0].growth, 1.5);
  cr_expect_eq(input.areas[0].uplink_count, 2);
  cr_expect_eq(input.areas[0].uplinks_bps[0], 200000);
  cr_expect_not(input.areas[1].seed);
  cr_expect_eq(input.areas[1].growth, 1);
  cr_expect_eq(input.areas[1].uplink_count, 0);
  cr_expect_eq(input.shape.max_depth, 3);
  cr_expect_eq(input.shape.max_fanout, 8);
}

Test(input, names_in_any_order_are_found) {
  uint32_t pop;

  cr_assert_eq(read_text("network = { pops = ( {name=\"m\";}, {name=\"z\";}, {name=\"São Paulo\";}, {name=\"a\";}, "
                         "{name=\"mm\";} ); links = (); }; session = { areas = (); };"),
               0, "%s", error.text);
  for (uint32_t i = 0; i < 5; i++) {
    cr_assert(copse_topology_find(&input.topology, input.topology.names[i], &pop));
    cr_expect_eq(pop, i);
  }
  cr_expect_not(copse_topology_find(&input.topology, "", &pop));
  cr_expect_not(copse_topology_find(&input.topology, "b", &pop));
  cr_expect_not(copse_topology_find(&input.topology, "zz", &pop));
}

Test(input, what_is_wrong_is_said_with_its_line) {
  static const struct {
    const char *text, *sentence;
  } cases[] = {
    {"", "in.cfg:1: 'network' is missing"},
    {POPS LINKS, "in.cfg:1: 'session' is missing"},
    {POPS LINKS "session = { };", "in.cfg:3: 'areas' is missing"},
    {POPS LINKS AREA "\nlimit = { };", "in.cfg:4: unknown key 'limit'"},
    {"network = { links = (); };" AREA, "in.cfg:1: 'pops' is missing"},
    {"network = { pops = (); links = (); };" AREA, "in.cfg:1: 'pops' must not be empty"},
    {"network = { pops = ( { } ); links = (); };" AREA, "in.cfg:1: 'name' is missing"},
    {"network = { pops = ( { name = 1; } ); links = (); };" AREA, "in.cfg:1: 'name' must be a string"},
    {"network = { pops = ( \"a\" ); links = (); };" AREA, "in.cfg:1: a group { ... } is expected here"},
    {"network = { pops = ( { name = \"a\"; },\n { name = \"a\"; } ); links = (); };" AREA,
     "in.cfg:2: PoP 'a' is there already"},
    {"network = { pops = ( { name = \"a\"; egress_bps = 0; } ); links = (); };" AREA,
     "in.cfg:1: 'egress_bps' must be at least 1"},
    {"network = { pops = ( { name = \"a/b\"; } ); links = (); };" AREA,
     "in.cfg:1: a PoP's name must be text without '/'"},
    {"network = { pops = ( { name = \"\"; } ); links = (); };" AREA, "in.cfg:1: a PoP's name must be text without '/'"},
    {"network = { pops = ( { name = \"\\xff\"; } ); links = (); };" AREA,
     "in.cfg:1: a PoP's name must be text without '/'"},
    {"network = { pops = ( { name = \"\\xed\\xa0\\x80\"; } ); links = (); };" AREA,
     "in.cfg:1: a PoP's name must be text without '/'"},
    {POPS "links = ( { from = \"a\"; to = \"c\"; bandwidth_bps = 1; } ); };" AREA, "in.cfg:2: unknown PoP 'c'"},
    {POPS "links = ( { from = \"d\"; to = \"a\"; bandwidth_bps = 1; } ); };" AREA, "in.cfg:2: unknown PoP 'd'"},
    {POPS "links = ( { from = \"a\"; to = \"a\"; bandwidth_bps = 1; } ); };" AREA,
     "in.cfg:2: a link must not lead from 'a' to itself"},
    {POPS "links = ( { from = \"a\"; to = \"b\"; } ); };" AREA, "in.cfg:2: 'bandwidth_bps' is missing"},
    {POPS "links = ( { from = \"a\"; bandwidth_bps = 1; } ); };" AREA, "in.cfg:2: 'to' is missing"},
    {POPS "links = ( { from = \"a\"; to = \"b\"; bandwidth_bps = 0; } ); };" AREA,
     "in.cfg:2: 'bandwidth_bps' must be at least 1"},
    {POPS "links = ( { from = \"a\"; to = \"b\"; bandwidth_bps = -1e6; } ); };" AREA,
     "in.cfg:2: 'bandwidth_bps' must be a whole number of at least 0"},
    {POPS "links = ( { from = \"a\"; to = \"b\"; bandwidth_bps = \"fast\"; } ); };" AREA,
     "in.cfg:2: 'bandwidth_bps' must be a whole number of at least 0"},
    {POPS "links = ( { from = \"a\"; to = \"b\"; bandwidth_bps = 2e18; } ); };" AREA,
     "in.cfg:2: 'bandwidth_bps' must be at most 1e+18"},
    {POPS "links = ( { from = \"a\"; to = \"b\"; bandwidth_bps = 1; delay_ms = -1; } ); };" AREA,
     "in.cfg:2: 'delay_ms' must be at least 0"},
    {POPS "links = ( { from = \"a\"; to = \"b\"; bandwidth_bps = 1; },\n{ from = \"a\"; to = \"b\"; bandwidth_bps = 2; "
          "} ); };" AREA,
     "in.cfg:3: there is a link from 'a' to 'b' already"},
    {POPS "links = ( { from = \"a\"; to = \"b\"; bandwidth_bps = 1; both_ways = true; },\n\n"
          "{ from = \"b\"; to = \"a\"; bandwidth_bps = 2; } ); };" AREA,
     "in.cfg:4: there is a link from 'b' to 'a' already"},
    {POPS LINKS "session = { areas = ( { pop = \"c\"; uplinks_bps = (); } ); };", "in.cfg:3: unknown PoP 'c'"},
    {POPS LINKS "session = { areas = ( { pop = \"a\"; } ); };", "in.cfg:3: 'uplinks_bps' is missing"},
    {POPS LINKS "session = { areas = ( { uplinks_bps = (); } ); };", "in.cfg:3: 'pop' is missing"},
    {POPS LINKS "session = { areas = ( { pop = \"a\"; uplinks_bps = (); },\n { pop = \"a\"; uplinks_bps = (); } ); };",
     "in.cfg:4: PoP 'a' has an area already"},
    {POPS LINKS "session = { areas = ( { pop = \"a\"; uplinks_bps = ( 1, \"x\" ); } ); };",
     "in.cfg:3: 'uplinks_bps' must be whole numbers from 1 to 1e+18"},
    {POPS LINKS "session = { areas = ( { pop = \"a\"; uplinks_bps = ( 0 ); } ); };",
     "in.cfg:3: 'uplinks_bps' must be whole numbers from 1 to 1e+18"},
    {POPS LINKS "session = { areas = ( { pop = \"a\"; uplinks_bps = ( 1.5 ); } ); };",
     "in.cfg:3: 'uplinks_bps' must be whole numbers from 1 to 1e+18"},
    {POPS LINKS "session = { areas = ( { pop = \"a\"; uplinks_bps = 5; } ); };",
     "in.cfg:3: 'uplinks_bps' must be a list ( ... )"},
    {POPS LINKS "session = { areas = ( { pop = \"a\"; growth = -0.5; uplinks_bps = (); } ); };",
     "in.cfg:3: 'growth' must be at least 0"},
    {POPS LINKS AREA "limits = { max_depth = 0; };", "in.cfg:3: 'max_depth' must be at least 1"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cr_expect_eq(read_text(cases[i].text), -EINVAL, "%s", cases[i].text);
    cr_expect_str_eq(error.text, cases[i].sentence, "%s\n got '%s'", cases[i].text, error.text);
  }
}
