/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the store from outside, revision by revision, with nothing of the code that is tested: no link, and no PoP
 * with an egress budget, is ever sold beyond its budget, and what plans need is reserved for them. */
#ifndef BUDGET_CHECKER_H
#define BUDGET_CHECKER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct budget_checker {
  json_t *links;    /* {"U/V": bps} */
  json_t *egress;   /* {"U": bps} */
  json_t *reserved; /* {"U": {"S": {"bps","links":{"V":bps}}}} */
  json_t *plans;    /* {"S": {"U": {"bps","links":{"V":bps}}}}: what they need */
  json_t *owners;   /* {"S": "P"} */
  uint64_t revision;
  bool changed;          /* at `revision`, and not looked at yet */
  unsigned revisions;    /* looked at */
  unsigned reservations; /* of those, with a change of reservations */
  unsigned violations, missed;
  double fullest; /* largest part of a budget that was reserved */
  char what[256]; /* the first violation */
};

void budget_checker_begin(struct budget_checker *checker);
void budget_checker_end(struct budget_checker *checker);
/* A copse_watch_callback. */
void budget_checker_take(void *checker, const char *key, const char *value, uint64_t revision);
/* The last revision is whole. */
void budget_checker_look(struct budget_checker *checker);

/* Nothing is reserved but what plans need. */
bool budget_checker_is_exact(const struct budget_checker *checker);
/* Any plan has a tree through the PoP, or the PoP owns a session. */
bool budget_checker_uses(const struct budget_checker *checker, const char *pop);
bool budget_checker_is_empty(const struct budget_checker *checker);

#endif
