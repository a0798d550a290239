/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_control.h"
#include <string.h>

#define MISSING "00000000000000000000000000000000" /* a session the fakes do not know */

/* 404 for MISSING, 403 for callers of an account named "stranger", else what was asked for. */
static void
echo(struct copse_answer *answer, int status, const char *call, const struct copse_caller *caller, const char *session,
     const char *member, const json_t *body) {
  if (strcmp(session, MISSING) == 0) {
    answer->status = 404;
    copse_fail(&answer->error, 0, "no such session");
  } else if (caller != NULL && strcmp(caller->account, "stranger") == 0) {
    answer->status = 403;
    copse_fail(&answer->error, 0, "not your member");
  } else if (body != NULL && json_object_get(body, "uplink_bps") != NULL &&
             !json_is_integer(json_object_get(body, "uplink_bps"))) {
    answer->status = 400;
    answer->field = "uplink_bps";
    copse_fail(&answer->error, 0, "uplink_bps: must be a positive number");
  } else {
    answer->status = status;
    answer->body =
      json_pack("{s:s, s:s, s:s?, s:s?, s:i, s:O?}", "call", call, "session", session, "member", member, "account",
                caller != NULL ? caller->account : NULL, "role", caller != NULL ? (int)caller->role : -1, "body", body);
  }
}

void
copse_member_join(struct copse_control *control, const struct copse_caller *caller, const char *session,
                  const json_t *body, struct copse_answer *answer) {
  (void)control;
  echo(answer, 201, "join", caller, session, NULL, body);
}

bool
copse_member_ready(const struct copse_control *control, const char *member) {
  (void)member;
  return atomic_fetch_sub(&((struct copse_control *)control)->unready, 1) <= 0;
}

void
copse_member_sync(struct copse_control *control, const struct copse_caller *caller, const char *session,
                  const char *member, const json_t *body, struct copse_answer *answer) {
  (void)control;
  echo(answer, 200, "sync", caller, session, member, body);
}

void
copse_member_leave(struct copse_control *control, const struct copse_caller *caller, const char *session,
                   const char *member, struct copse_answer *answer) {
  (void)control;
  echo(answer, 204, "leave", caller, session, member, NULL);
  if (answer->status == 204) {
    json_decref(answer->body);
    answer->body = NULL;
  }
}

void
copse_pop_remove(struct copse_control *control, const char *pop, struct copse_answer *answer) {
  (void)control;
  answer->status = 200;
  answer->body = json_pack("{s:s, s:i, s:i, s:i, s:i}", "pop", pop, "trees", 0, "members", 0, "charged_bytes", 0,
                           "returned_bytes", 0);
}

/* What a view was asked for. A list says that there is more. */
static void
echo_view(const char *view, const struct copse_query *query, struct copse_answer *answer) {
  echo(answer, 200, view, NULL, query->name, NULL, NULL);
  if (answer->status != 200)
    return;
  answer->revision = 7;
  json_object_set_new(answer->body, "after", json_string(query->after));
  json_object_set_new(answer->body, "limit", json_integer((json_int_t)query->limit));
  json_object_set_new(answer->body, "next", json_string("a b/\303\251"));
}

#define VIEW(name)                                                                                                     \
  void copse_view_##name(struct copse_control *control, const struct copse_query *query,                               \
                         struct copse_answer *answer) {                                                                \
    (void)control;                                                                                                     \
    echo_view(#name, query, answer);                                                                                   \
  }
VIEW(session)
VIEW(session_trees)
VIEW(session_members)
VIEW(sessions)
VIEW(trees)
VIEW(peers)
VIEW(pops)
VIEW(links)
VIEW(link)
VIEW(drops)
VIEW(accounts)
VIEW(ledger)
VIEW(why)

struct copse_store *
copse_control_store(struct copse_control *control) {
  return control->store;
}

struct event_base *
copse_control_base(struct copse_control *control) {
  return control->base;
}

void
copse_control_on_taken(struct copse_control *control, void (*taken)(void *context), void *context) {
  control->taken = taken;
  control->taken_context = context;
}

const char *
copse_control_pop(const struct copse_control *control) {
  (void)control;
  return "N1";
}

bool
copse_control_healthy(const struct copse_control *control) {
  return atomic_load(&control->healthy);
}

void
copse_control_metrics(struct copse_control *control, FILE *out) {
  (void)control;
  fputs("copse_test_packets_total 7\n", out);
}
