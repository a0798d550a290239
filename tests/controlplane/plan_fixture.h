/* SPDX-License-Identifier: Apache-2.0 */
/* A model of three PoPs and a session, as tests of plans want it. */
#ifndef PLAN_FIXTURE_H
#define PLAN_FIXTURE_H

#include "session/plan.h"

#define S1 "00000000000000000000000000000001"
#define S2 "00000000000000000000000000000002"

extern struct copse_model model;
extern struct copse_control_config config;
extern uint64_t revision;

void __attribute__((format(printf, 2, 3))) put(const char *key, const char *format, ...);
void put_account(const char *name, uint64_t credit, uint64_t leased);
void put_link(const char *from, const char *to, uint64_t bps);
void put_member(const char *session, unsigned number, const char *pop, const char *account, uint64_t uplink, bool seed);
void put_session(const char *session);
/* N1, N2, N3 in a full mesh of 10 Mbit/s; session 1 has a seed at N1 and a peer at each of the others. */
void plan_setup(void);
void plan_teardown(void);
struct copse_plan_record make_with(const char *session, bool improve);
struct copse_plan_record make(const char *session);
/* As if it had been carried out. */
void adopt(const char *session, const struct copse_plan_record *plan);
struct copse_planned_tree *rooted(struct copse_plan_record *plan, const char *root);

#endif
