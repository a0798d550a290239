/* SPDX-License-Identifier: Apache-2.0 */
/* Whole sessions: they end, are never faster than physics allows, and are the same for the same seed. */
#include "output.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>

static const char text[] =
  "name = \"test\";"
  "routers = ({ name = \"A\"; }, { name = \"B\"; }, { name = \"C\"; });"
  "links = ({ from = \"A\"; to = \"B\"; delay_ms = 5.0; }, { from = \"B\"; to = \"C\"; delay_ms = 8.0; });"
  "backbone = { bandwidth_bps = 1.5e6; queue_bytes = 524288; };"
  "access = { uplink_bps = 200e3; downlink_bps = 700e3; delay_ms = 2.0; uplink_queue_bytes = 128000;"
  "           downlink_queue_bytes = 256000; loss = %s; };"
  "cdn = { access_bps = 10e6; bandwidth_bps = 10e6; budget_bps = 1e6; delay_ms = 2.0; growth = 1.5; pops = ("
  "  { name = \"N1\"; router = \"A\"; area = (\"A\"); }, { name = \"N2\"; router = \"B\"; area = (\"B\"); },"
  "  { name = \"N3\"; router = \"C\"; area = (\"C\"); }); };"
  "peers = (9); seeds = (1, 2); sizes_bytes = (2000000); arrivals = (\"flash\", \"poisson\"); modes = (\"p2p\", "
  "\"cdn\");"
  "runs = 2; %s";

#define BOTH_LEVELS "levels = (\"packet\", \"flow\");"

static struct study study;
static struct study_run *runs;
static size_t count;

static void
runs_of_study(void) {
  runs = jobs_cases(&study, &count);
  for (size_t i = 0; i < count; i++)
    study_run(&study, &runs[i].which, &runs[i].result);
}

static void
read_study(const char *loss, const char *more) {
  char config[sizeof(text) + 256];
  struct copse_error error;

  snprintf(config, sizeof(config), text, loss, more);
  cr_assert(eq(int, study_read_text("test", config, &study, &error), 0), "%s", error.text);
}

static void
run_study(const char *loss, const char *more) {
  read_study(loss, more);
  runs_of_study();
}

static void
free_study(void) {
  free(runs);
  study_free(&study);
  study = (struct study){0};
  runs = NULL;
}

static void
expect_within_physics(const struct study_run *run) {
  const struct study_result *result = &run->result;

  cr_expect(eq(u32, result->unfinished, 0));
  cr_expect(eq(u32, result->too_early, 0));
  for (uint32_t i = 0; i < run->which.peers; i++)
    if (result->finish_s[i] > 0)
      cr_expect(ge(dbl, result->finish_s[i], study_bound(&study, &run->which, i, result->arrival_s[i])));
  cr_expect(ge(dbl, result->seed_bytes, (double)run->which.size_bytes), "each byte leaves a seed once at least");
}

Test(session, nobody_is_faster_than_the_floor_and_everybody_ends, .fini = free_study) {
  run_study("0.0", BOTH_LEVELS);
  cr_assert(eq(sz, count, 16));
  for (size_t i = 0; i < count; i++)
    expect_within_physics(&runs[i]);
}

Test(session, a_flash_crowd_on_trees_is_near_the_floor_and_seeds_send_once, .fini = free_study) {
  run_study("0.0", BOTH_LEVELS);
  for (size_t i = 0; i < count; i++)
    if (runs[i].which.cdn && runs[i].which.arrivals == STUDY_FLASH) {
      const double floor_s = study_floor(&study, &runs[i].which);
      for (uint32_t peer = 0; peer < runs[i].which.peers; peer++)
        cr_expect(lt(dbl, runs[i].result.finish_s[peer], 1.15 * floor_s));
      cr_expect(lt(dbl, runs[i].result.seed_bytes, 1.1 * (double)runs[i].which.size_bytes));
      cr_expect(gt(dbl, runs[i].result.cdn_bytes, (double)runs[i].which.size_bytes), "over two links at least in part");
    }
}

Test(session, losses_are_repaired, .fini = free_study) {
  run_study("0.03", "");
  for (size_t i = 0; i < count; i++)
    expect_within_physics(&runs[i]);
}

/* Mean of all peers' times over what physics allows each, trees and Poisson arrivals. */
static double
mean_over_bound(void) {
  double sum = 0, peers = 0;

  for (size_t i = 0; i < count; i++)
    for (uint32_t peer = 0; runs[i].which.cdn && runs[i].which.arrivals == STUDY_POISSON && peer < runs[i].which.peers;
         peer++)
      if (runs[i].result.finish_s[peer] > 0) {
        sum +=
          runs[i].result.finish_s[peer] / study_bound(&study, &runs[i].which, peer, runs[i].result.arrival_s[peer]);
        peers++;
      }
  return sum / peers;
}

/* The last of those who are not slow. */
static double
last_of(const struct study_run *run) {
  double last = 0;

  for (uint32_t i = 0; i < run->which.peers; i++)
    if (!study_is_slow(&study, &run->which, i) && run->result.finish_s[i] > last)
      last = run->result.finish_s[i];
  return last;
}

Test(session, seeds_leave_once_every_block_is_out_and_everybody_ends, .fini = free_study) {
  run_study("0.01", "seeds_leave = true;");
  for (size_t i = 0; i < count; i++) {
    expect_within_physics(&runs[i]);
    cr_expect(gt(dbl, runs[i].result.seeds_left_s, 0));
    cr_expect(lt(dbl, runs[i].result.seeds_left_s, last_of(&runs[i])), "somebody ends without them");
  }
}

/* Of flash crowds on trees: seconds until the last peer is done, mean of runs, and of what peers got from each other.
 */
static void
crowds_with_loss(const char *loss, const char *more, double *last_s, double *direct_bytes) {
  *last_s = *direct_bytes = 0;
  run_study(loss, more);
  for (size_t i = 0; i < count; i++)
    if (runs[i].which.cdn && runs[i].which.arrivals == STUDY_FLASH) {
      expect_within_physics(&runs[i]);
      *last_s += last_of(&runs[i]) / (double)study.runs;
      *direct_bytes += runs[i].result.direct_bytes / (double)study.runs;
    }
  free_study();
}

/* Whoever sends into trees is asked for little else: its uplink brings out what is new, and nothing waits before it.
 */
Test(session, a_crowd_that_loses_packets_spares_who_sends_into_trees, .fini = free_study) {
  static const struct {
    const char *loss;
    double most; /* times the floor */
  } cases[] = {{"0.05", 1.5}, {"0.1", 2.1}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    double sum = 0, flash = 0;
    read_study(cases[i].loss, "");
    study.peers[0] = 24;
    study.sizes_bytes[0] = 4000000;
    runs_of_study();
    for (size_t k = 0; k < count; k++)
      if (runs[k].which.cdn && runs[k].which.arrivals == STUDY_FLASH) {
        expect_within_physics(&runs[k]);
        sum += last_of(&runs[k]) / study_floor(&study, &runs[k].which);
        flash++;
      }
    cr_expect(lt(dbl, sum / flash, cases[i].most), "%s", cases[i].loss);
    free_study();
  }
}

Test(session, parity_spares_repair_where_trees_lose_and_costs_nothing_where_they_do_not) {
  double with_s, without_s, with_bytes, without_bytes;

  crowds_with_loss("0.05", "", &with_s, &with_bytes);
  crowds_with_loss("0.05", "parity = false;", &without_s, &without_bytes);
  cr_expect(lt(dbl, with_s, 0.95 * without_s), "%.0f and %.0f s", with_s, without_s);
  cr_expect(lt(dbl, with_bytes, 0.7 * without_bytes), "%.0f and %.0f bytes", with_bytes, without_bytes);
  crowds_with_loss("0.0", "", &with_s, &with_bytes);
  crowds_with_loss("0.0", "parity = false;", &without_s, &without_bytes);
  cr_expect(eq(dbl, with_s, without_s));
}

static double
mean_of_slow(const struct study_run *run) {
  double sum = 0, slow = 0;

  for (uint32_t i = 0; i < run->which.peers; i++)
    if (study_is_slow(&study, &run->which, i)) {
      sum += run->result.finish_s[i];
      slow++;
    }
  return sum / slow;
}

/* They ask trees for as many blocks as their links carry whole, so that trees do not make them later than P2P does. */
Test(session, who_is_slow_is_not_held_up_by_trees, .fini = free_study) {
  struct copse_error error;
  double p2p_s = 0, cdn_s = 0;

  cr_assert(eq(int, study_read(STUDIES "/slow.cfg", &study, &error), 0), "%s", error.text);
  study.sizes_bytes[0] = 4000000;
  runs_of_study();
  for (size_t i = 0; i < count; i++)
    if (runs[i].which.value == 4 && runs[i].which.arrivals == STUDY_FLASH)
      *(runs[i].which.cdn ? &cdn_s : &p2p_s) = mean_of_slow(&runs[i]);
  cr_expect(gt(dbl, p2p_s, 0));
  cr_expect(lt(dbl, cdn_s, 1.06 * p2p_s), "%.0f s with trees, %.0f s without", cdn_s, p2p_s);
}

/* Receivers with a tenth of the others' downlink: they end, whose first requests are answered later than anybody waits,
 * and one or two cost the others 2 % at most, four 3 %. */
Test(session, who_is_slow_ends_and_slows_nobody, .fini = free_study) {
  struct copse_error error;
  double alone = 0;

  cr_assert(eq(int, study_read(STUDIES "/slow.cfg", &study, &error), 0), "%s", error.text);
  study.sizes_bytes[0] = 4000000;
  runs_of_study();
  for (size_t i = 0; i < count; i++) {
    expect_within_physics(&runs[i]);
    if (!runs[i].which.cdn || runs[i].which.arrivals != STUDY_FLASH)
      continue;
    if (runs[i].which.value == 0)
      alone = last_of(&runs[i]);
    cr_expect(le(dbl, last_of(&runs[i]), (runs[i].which.value <= 2 ? 1.02 : 1.03) * alone), "%g slow ones",
              runs[i].which.value);
  }
  cr_expect(gt(dbl, alone, 0));
}

/* The paper's study with other cases: a file so small that a test may take it, and peers that report as much oftener.
 */
Test(session, who_comes_late_gets_what_it_missed_from_trees, .fini = free_study) {
  struct copse_error error;

  cr_assert(eq(int, study_read(STUDIES "/paper.cfg", &study, &error), 0), "%s", error.text);
  study.peers_count = 1;
  study.peers[0] = 36;
  study.sizes_bytes[0] = 12000000;
  study.sync_ms = 480;
  study.tick_ms = 80;
  study.runs = 4;
  study.arrivals[STUDY_FLASH] = study.modes[0] = false;
  runs_of_study();
  cr_expect(lt(dbl, mean_over_bound(), 1.20), "1.211 when what was missed is fetched rarest first");
}

/* With more peers in an area than an answer of the control plane names, some of those it names are from elsewhere. */
Test(session, an_area_without_a_seed_gets_the_file_however_many_there_are, .fini = free_study) {
  char config[sizeof(text)];
  struct copse_error error;

  snprintf(config, sizeof(config), text, "0.0", "");
  cr_assert(eq(int, study_read_text("test", config, &study, &error), 0), "%s", error.text);
  study.peers[0] = 3UL * 66;
  study.sizes_bytes[0] = 100000;
  study.runs = 1;
  study.arrivals[STUDY_POISSON] = study.modes[1] = false;
  runs_of_study();
  expect_within_physics(&runs[0]);
}

/* A seed and five receivers around a router, for three seconds: too short for anybody to have a whole block for others.
 */
Test(session, uploads_of_a_peer_take_turns) {
  enum { PEERS = 6, ROUTER = PEERS, POP, NODES };
  struct sim_engine engine = {0};
  struct sim_network network;
  struct sim_session session;
  struct sim_place places[PEERS];
  uint64_t metric[2 * NODES];
  const uint32_t pop_node = POP;

  sim_network_init(&network, &engine, NODES, 1);
  for (uint32_t i = 0; i < NODES; i++) {
    if (i != ROUTER) {
      sim_link_add(&network, i, ROUTER, i < PEERS ? 200000 : 10000000, 2000000);
      sim_link_add(&network, ROUTER, i, 10000000, 2000000);
    }
    metric[2UL * i] = metric[2UL * i + 1] = 1;
    if (i < PEERS)
      places[i] = (struct sim_place){.node = i, .seed = i == 0, .uplink_bps = 200000, .downlink_bps = 10000000};
  }
  sim_route(&network, metric);
  sim_session_run(&session,
                  &(struct sim_scenario){.network = &network,
                                         .tcp = &sim_tcp_linux,
                                         .places = places,
                                         .place_count = PEERS,
                                         .pop_nodes = &pop_node,
                                         .pop_count = 1,
                                         .size = 4000000,
                                         .growth = 1.5,
                                         .burst_us = 50000,
                                         .sync_ns = SIM_SECOND / 2,
                                         .tick_ns = SIM_SECOND / 10},
                  3 * SIM_SECOND);
  for (uint32_t i = 1; i < PEERS; i++) {
    cr_expect(gt(u64, fetch_bytes(session.peers[i].fetch), 7000), "peer %u", i);
    cr_expect(lt(u64, fetch_bytes(session.peers[i].fetch), COPSE_BLOCK_BYTES), "peer %u", i);
  }
  sim_session_free(&session);
  sim_network_free(&network);
  sim_engine_free(&engine);
}

static double
mean_of(const struct study_run *run) {
  double sum = 0, peers = 0;

  for (uint32_t i = 0; i < run->which.peers; i++) {
    sum += run->result.finish_s[i];
    peers += run->result.finish_s[i] > 0;
  }
  return sum / peers;
}

/* Where the network is not the limit, and where it is. */
Test(session, flows_take_as_long_as_packets, .fini = free_study) {
  struct copse_error error;

  cr_assert(eq(int, study_read(STUDIES "/crowd.cfg", &study, &error), 0), "%s", error.text);
  study.peers_count = 1;
  study.peers[0] = 60;
  study.sizes_bytes[0] = 2000000;
  study.runs = 1;
  runs_of_study();
  cr_assert(eq(sz, count, 16));
  for (size_t i = 0; i < count; i += 8)
    for (size_t k = i; k < i + 4; k++) {
      cr_assert(runs[k + 4].which.flow && !runs[k].which.flow && runs[k].which.cdn == runs[k + 4].which.cdn);
      const double ratio = mean_of(&runs[k + 4]) / mean_of(&runs[k]);
      cr_expect(le(dbl, fabs(ratio - 1), 0.15), "%s, %s, network x %g: %.3f",
                runs[k].which.arrivals == STUDY_FLASH ? "flash" : "poisson", runs[k].which.cdn ? "cdn" : "p2p",
                runs[k].which.value, ratio);
    }
}

static char *
csv_of_study(const char *loss, const char *more) {
  char *bytes = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&bytes, &size);

  run_study(loss, more);
  output_csv(&study, runs, count, out);
  fclose(out);
  return bytes;
}

static void
expect_same_bytes(const char *loss, const char *more) {
  char *first = csv_of_study(loss, more);
  const double seed_0 = runs[0].result.finish_s[2], seed_1 = runs[1].result.finish_s[2];

  free_study();
  char *second = csv_of_study(loss, more);
  cr_expect(eq(str, first, second));
  cr_expect(ne(dbl, seed_0, seed_1));
  free(first);
  free(second);
  free_study();
}

Test(session, the_same_seed_gives_the_same_bytes_and_another_one_does_not) {
  expect_same_bytes("0.01", "");
  expect_same_bytes("0.0", "levels = (\"flow\");");
}

Test(session, loss_on_access_links_is_refused_at_flow_level) {
  char config[sizeof(text) + 256];
  struct copse_error error;

  snprintf(config, sizeof(config), text, "0.01", BOTH_LEVELS);
  cr_expect(eq(int, study_read_text("bad.cfg", config, &study, &error), -EINVAL));
  free_study();
}

Test(session, a_study_that_makes_no_sense_is_refused_with_a_sentence) {
  struct copse_error error;

  cr_expect(lt(int, study_read_text("bad.cfg", "name = \"x\";", &study, &error), 0));
  cr_expect(ne(ptr, strstr(error.text, "bad.cfg"), NULL), "%s", error.text);
  free_study();
}
