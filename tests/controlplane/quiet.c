/* SPDX-License-Identifier: Apache-2.0 */
/* Edges far from the root into subtrees that want nothing: they carry nothing and cost nothing, and what is carried is
 * never more than what was charged, whatever is under way, whoever dies, whichever answer of the store is lost.
 *
 * Trees are paths through four PoPs. Packets are charged at the root by what its dataplane charges when they start, and
 * go from PoP to PoP by what the dataplanes there send when they arrive. */
#include "faults.h"
#include "session/state.h"
#include "three.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define POPS 4
#define HOP_MS 100 /* three of them are less than the time that is waited for what is under way */
#define PACKETS 8192
#define EVENTS 40
#define EVENT_MS 120

struct packet {
  uint64_t id, due_ms; /* of its tree; when it arrives at `pop` */
  size_t pop;
  uint32_t charged, carried; /* edges */
};

static struct packet packets[PACKETS];
static size_t packet_count;
static uint64_t charged, carried;
static struct {
  char *id;
  size_t pop;
  bool done;
} members[EVENTS + POPS];
static size_t member_count;

static void
join(size_t pop, bool seeding) {
  int status = 0;

  members[member_count].id = cluster_join(&cluster, pop, S, "alice", 1 + (unsigned)member_count, seeding, &status);
  members[member_count].pop = pop;
  members[member_count].done = seeding;
  member_count += members[member_count].id != NULL;
}

static void
sync_all(void) {
  for (size_t i = 0; i < member_count; i++)
    if (cluster.pops[members[i].pop].control != NULL) {
      int status;

      json_decref(cluster_sync(&cluster, members[i].pop, S, "alice", members[i].id,
                               members[i].done ? "{\"have\":1000,\"done\":true}" : "{\"have\":0}", &status));
    }
}

static bool
wants(size_t pop) {
  for (size_t i = 0; i < member_count; i++)
    if (members[i].pop == pop && !members[i].done)
      return true;
  return false;
}

/* Everybody at the PoP has everything, or somebody comes who has not. */
static void
turn(size_t pop) {
  if (!wants(pop)) {
    join(pop, false);
    return;
  }
  for (size_t i = 0; i < member_count; i++)
    members[i].done |= members[i].pop == pop;
  sync_all();
}

/* The PoP the tree goes on to from here, POPS: to none. */
static size_t
next_pop(size_t pop, uint64_t id) {
  struct fake_dataplane *dataplane = cluster.pops[pop].dataplane;
  const struct fake_tree *tree = fake_tree_find(dataplane, id);

  for (uint32_t i = 0; tree != NULL && i < tree->set.hops && tree->hops[i].kind == COPSE_HOP_LINK; i++) {
    size_t next = three_pop(dataplane->links[tree->hops[i].slot].name);
    const struct fake_tree *there = fake_tree_find(cluster.pops[next].dataplane, id);

    if (!tree->unwanted[i] && there != NULL && there->set.label == tree->hops[i].label)
      return next;
  }
  return POPS;
}

static void
send_packets(uint64_t now_ms) {
  for (size_t pop = 0; pop < POPS; pop++)
    for (size_t i = 0; i < FAKE_TREES && packet_count < PACKETS; i++) {
      const struct fake_tree *tree = &cluster.pops[pop].dataplane->trees[i];

      if (tree->set.id != 0 && tree->set.label == COPSE_LABEL_NONE)
        packets[packet_count++] =
          (struct packet){.id = tree->set.id, .due_ms = now_ms, .pop = pop, .charged = tree->set.charged_edges};
    }
}

static void
move_packets(uint64_t now_ms) {
  for (size_t i = packet_count; i-- > 0;) {
    struct packet *packet = &packets[i];
    size_t next = 0;

    while (packet->due_ms <= now_ms && (next = next_pop(packet->pop, packet->id)) < POPS) {
      packet->carried++;
      packet->pop = next;
      packet->due_ms += HOP_MS; /* however late we are */
      cr_assert_leq(packet->carried, packet->charged, "at N%zu", next + 1);
    }
    if (packet->due_ms > now_ms)
      continue;
    charged += packet->charged;
    carried += packet->carried;
    packets[i] = packets[--packet_count];
  }
}

static void
run(unsigned ms) {
  for (uint64_t end = copse_control_now() + ms; copse_control_now() < end;) {
    uint64_t now_ms = copse_control_now();

    send_packets(now_ms);
    move_packets(now_ms);
    cluster_run(&cluster, 1);
  }
}

/* The control plane dies at once: its lease is not given back. */
static void
kill_control(size_t pop) {
  faults[pop + 1].away = -EHOSTUNREACH;
  cluster_pop_stop(&cluster, pop);
  faults[pop + 1].away = 0;
  run(50);
  cluster_pop_start(&cluster, pop);
}

static void
happen(void) {
  size_t pop = (size_t)random() % POPS;

  switch (random() % 10) {
  case 0:
    kill_control(pop);
    break;
  case 1:
    fake_dataplane_restart(cluster.pops[pop].dataplane);
    break;
  case 2:
  case 3:
    faults[pop + 1].unanswered = 60;
    turn((pop + 1) % POPS);
    run(EVENT_MS);
    faults[pop + 1].unanswered = 0;
    break;
  default:
    turn(pop);
    break;
  }
}

/* Every tree is charged for the edges up to the last PoP where somebody wants something, and carries over these. */
static bool
is_exact(struct cluster *c, const char *argument) {
  const struct copse_session *session = cluster_session(c, S);
  size_t trees = 0;

  (void)argument;
  for (size_t i = 0; i < session->plan.tree_count; i++) {
    const struct copse_planned_tree *tree = &session->plan.trees[i];
    uint64_t id = strtoull(tree->id, NULL, 16);
    size_t pop = three_pop(tree->root);
    const struct fake_tree *root = fake_tree_find(c->pops[pop].dataplane, id);
    uint32_t wanted = 0, open = 0;

    for (uint32_t j = 0; j < tree->edge_count; j++)
      wanted = wants(three_pop(tree->edges[j].to)) ? j + 1 : wanted;
    while ((pop = next_pop(pop, id)) < POPS)
      open++;
    if (tree->edge_count != POPS - 1 || root == NULL || root->set.charged_edges != wanted || open != wanted)
      return false;
    trees++;
  }
  return trees == POPS;
}

static bool
is_exact_soon(void) {
  for (unsigned tries = 0; tries < 100; tries++) {
    sync_all();
    run(200);
    if (is_exact(&cluster, NULL))
      return true;
  }
  return false;
}

static void
stop(void) {
  for (size_t i = 0; i < member_count; i++)
    free(members[i].id);
  cluster_stop(&cluster);
}

TestSuite(quiet, .init = faults_clear, .fini = stop, .timeout = 150);

static void
start(void) {
  cluster_start(&cluster, POPS, 100000000, "finish_ms = 60000; max_fanout = 1; silence_ms = 60000;");
  cluster_account(&cluster, "alice", 100 * GB);
  cluster_make_session(&cluster, S, 1000);
  for (size_t pop = 0; pop < POPS; pop++)
    join(pop, pop == 0);
  cr_assert(is_exact_soon(), "a seed alone at N1 is sent nothing");
}

/* One area after the other has everything, then somebody comes: calm in between, so that not a byte is charged that
 * was not carried. */
Test(quiet, what_far_edges_do_not_carry_costs_nothing) {
  start();
  for (size_t pop = 1; pop <= POPS; pop++) {
    uint64_t former_charged, former_carried;

    turn(pop % POPS);
    cr_assert(is_exact_soon());
    while (packet_count > 0) {
      move_packets(copse_control_now());
      usleep(1000);
    }
    former_charged = charged;
    former_carried = carried;
    run(50);
    while (packet_count > 0) {
      move_packets(copse_control_now());
      usleep(1000);
    }
    cr_expect_eq(charged - former_charged, carried - former_carried);
  }
  cr_expect_gt(carried, 0);
}

Test(quiet, never_is_more_carried_than_was_charged) {
  start();
  srandom(3);
  for (int i = 0; i < EVENTS; i++) {
    happen();
    run((unsigned)random() % EVENT_MS);
    if (i % 10 == 9)
      cr_assert(is_exact_soon(), "after %d events", i + 1);
  }
  cr_expect_gt(carried, 0);
  cr_expect(cluster_ledger_is_balanced(&cluster));
}
