/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that are made: what they look like, and sessions on them. */
#include "study.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

static const char text[] =
  "name = \"test\";"
  "backbone = { bandwidth_bps = 150e6; queue_bytes = 524288; };"
  "access = { uplink_bps = 200e3; downlink_bps = 700e3; delay_ms = 2.0; uplink_queue_bytes = 128000;"
  "           downlink_queue_bytes = 256000; };"
  "cdn = { access_bps = 1e9; bandwidth_bps = 10e6; budget_bps = 1e6; delay_ms = 2.0; growth = 1.5; };"
  "generated = { %s width_km = 4000.0; height_km = 2000.0; };"
  "peers = (2); peers_each = true; seeds = (1, 2); sizes_bytes = (400000); arrivals = (\"flash\"); modes = (\"cdn\");"
  "runs = 1; %s";

static struct study study;
static struct copse_error error;

static int
read_study(const char *generated, const char *more) {
  char config[sizeof(text) + 256];

  snprintf(config, sizeof(config), text, generated, more);
  return study_read_text("test", config, &study, &error);
}

/* With its network made: to be freed by free_made. */
static void
make(const char *generated) {
  cr_assert(eq(int, read_study(generated, ""), 0), "%s", error.text);
  study_generate(&study);
}

static void
free_study(void) {
  study_free(&study);
  study = (struct study){0};
}

static void
free_made(void) {
  study_generated_free(&study);
  study.router_count = study.link_count = study.cdn.pop_count = 0;
  study.links = NULL;
  study.pop_of = NULL;
  study.cdn.pops = NULL;
  free_study();
}

/* Every router can be reached: the least number of a part spreads over its links. */
static bool
is_connected(void) {
  uint32_t part[STUDY_ROUTERS_MAX];
  bool changed = true, whole = true;

  for (uint32_t i = 0; i < study.router_count; i++)
    part[i] = i;
  while (changed) {
    changed = false;
    for (size_t i = 0; i < study.link_count; i++) {
      uint32_t *from = &part[study.links[i].from], *to = &part[study.links[i].to];
      changed |= *from != *to;
      *from = *to = *from < *to ? *from : *to;
    }
  }
  for (uint32_t i = 0; i < study.router_count; i++)
    whole &= part[i] == 0;
  return whole;
}

Test(generate, networks_are_connected_and_as_sparse_as_backbones) {
  static const char *const sizes[] = {"pops = 6;", "pops = 12;", "pops = 50;", "pops = 200;"};

  for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
    make(sizes[i]);
    cr_expect(is_connected(), "%s", sizes[i]);
    cr_expect(lt(dbl, 2.0 * (double)study.link_count / (double)study.router_count, 2.8), "links at a router");
    for (size_t k = 0; k < study.link_count; k++)
      cr_expect(lt(dbl, study.links[k].delay_ms, 22.4), "the diagonal");
    free_made();
  }
}

Test(generate, every_area_has_a_router_and_that_of_its_pop_is_in_it) {
  make("pops = 12; routers = 60;");
  cr_assert(eq(sz, study.router_count, 60));
  cr_assert(eq(sz, study.cdn.pop_count, 12));
  for (uint32_t pop = 0; pop < 12; pop++)
    cr_expect(eq(u32, study.pop_of[study.cdn.pops[pop].router], pop));
  for (uint32_t i = 0; i < 60; i++)
    cr_expect(lt(u32, study.pop_of[i], 12));
  free_made();
}

Test(generate, the_same_seed_makes_the_same_network_and_another_one_does_not) {
  double delays[2], other;

  for (int i = 0; i < 2; i++) {
    make("pops = 30;");
    delays[i] = study.links[7].delay_ms;
    free_made();
  }
  make("pops = 30; seed = 5;");
  other = study.links[7].delay_ms;
  free_made();
  cr_expect(eq(dbl, delays[0], delays[1]));
  cr_expect(ne(dbl, delays[0], other));
}

/* A chain of that many PoPs would be longer than a packet's hops. */
Test(generate, a_flash_crowd_on_thirty_pops_is_near_the_floor, .fini = free_study) {
  static struct study_result result;
  const struct study_case which = {.peers = 60, .size_bytes = 400000, .cdn = true};

  cr_assert(eq(int, read_study("pops = 30;", ""), 0), "%s", error.text);
  cr_assert(eq(u32, study_peers(&study, 0), 60));
  study_run(&study, &which, &result);
  cr_expect(eq(u32, result.unfinished, 0));
  cr_expect(eq(u32, result.too_early, 0));
  cr_expect(eq(dbl, result.tree_drops, 0));
  for (uint32_t i = 2; i < which.peers; i++)
    cr_expect(lt(dbl, result.finish_s[i], 1.3 * study_floor(&study, &which)), "peer %u: %g", i, result.finish_s[i]);
}

Test(generate, what_makes_no_sense_is_refused_with_a_sentence) {
  static const struct {
    const char *generated, *more, *sentence;
  } wrong[] = {
    {"pops = 6;", "routers = ({ name = \"A\"; });", "none may be listed"},
    {"pops = 6; routers = 5;", "", "more PoPs (6) than routers"},
    {"pops = 6; routers = 20;", "vary = { key = \"pops\"; values = (12, 21); };", "more PoPs (21) than routers"},
    {"pops = 1000;", "", "pops"},
    {"pops = 256;", "vary = { key = \"seeds\"; values = (1, 3); };", "fewer are listed"},
  };

  for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
    cr_expect(lt(int, read_study(wrong[i].generated, wrong[i].more), 0), "%s", wrong[i].sentence);
    cr_expect(ne(ptr, strstr(error.text, wrong[i].sentence), NULL), "%s", error.text);
    free_study();
  }
}
