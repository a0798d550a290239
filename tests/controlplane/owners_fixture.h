/* SPDX-License-Identifier: Apache-2.0 */
/* Control planes of PoPs without dataplanes on one store. Between any two commits an owner dies, is deposed or misses
 * the answer, and others act. A checker looks at every revision from outside. On etcd where COPSE_TEST_STORE says so.
 */
#ifndef OWNERS_FIXTURE_H
#define OWNERS_FIXTURE_H

#include "budget_checker.h"
#include "session/carry_out.h"
#include "store_fixture.h"

#define POPS 6 /* each with a control plane: any may be the one that is left to give something back */
#define SESSIONS 5
#define MEMBERS 24 /* that may be, in all sessions */
#define M 1000000ULL
#define STEP_MS 1100 /* of the owners' clock: whatever is due is done */

/* A PoP's control plane without a dataplane. */
struct actor {
  struct copse_control control;
  struct copse_control_config config;
  unsigned dies_in;    /* commits; 0: not */
  unsigned deposed_in; /* likewise: the session is another's */
  bool answers;        /* of its last commit it hears */
  bool dead;           /* nothing it does reaches the store any more */
  bool walking;
};

extern const struct backend *backend;
extern struct budget_checker checker;
extern struct actor actors[POPS];
extern uint64_t clock_ms;
extern bool restless; /* others act between commits */
extern unsigned parts, refusals, deaths, compares_max;

/* A full mesh of PoPs, each there without a control plane. */
void make_world(unsigned pops, uint64_t link_bps);
void end(void);
/* A null value deletes the key. */
void __attribute__((format(printf, 2, 3))) put_text(const char *value, const char *format, ...);
void put_session(unsigned session, const char *state);
void put_member(unsigned session, unsigned number, unsigned pop, uint64_t uplink_bps);
void empty_session(unsigned session);
void actor_start(struct actor *actor);
void actor_walk(struct actor *actor);
/* Its lease is over. */
void actor_end(struct actor *actor);
/* Fails if any revision up to now has oversold a link. */
void look(void);

#endif
