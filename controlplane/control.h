/* SPDX-License-Identifier: Apache-2.0 */
/* One control plane: what all its parts share. One thread, one libevent loop. */
#ifndef COPSE_CONTROL_H
#define COPSE_CONTROL_H

#include "store/store.h"
#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct copse_control;
struct copse_control_config;

/* Opens the store, announces the PoP, connects to its dataplane and works in the loop of `base` until it is stopped.
 * The configuration must live as long. Negative errno with a sentence. */
int copse_control_start(const struct copse_control_config *config, struct event_base *base,
                        struct copse_control **control, struct copse_error *error);
/* Gives up presence and ownership; the dataplane goes on as it is. Null is allowed. */
void copse_control_stop(struct copse_control *control);

/* Results of API calls as the HTTP side needs them: a status, a JSON body, or what is wrong with which field. */
struct copse_answer {
  int status;        /* HTTP */
  json_t *body;      /* owned by the receiver, may be null */
  const char *field; /* of the request that is wrong, static string, null if none */
  uint64_t revision; /* of the record that is shown and can be changed; 0: none */
  struct copse_error error;
};

/* Who calls. */
struct copse_caller {
  enum { COPSE_ROLE_NONE, COPSE_ROLE_ACCOUNT, COPSE_ROLE_OPERATOR } role;
  char account[64];
};

/* session/members.h: join, sync, leave (docs/api.md). `body` is the parsed request. */
void copse_member_join(struct copse_control *control, const struct copse_caller *caller, const char *session,
                       const json_t *body, struct copse_answer *answer);
/* After a join that was answered 201: true once the dataplane has the member, so that what its peer sends is known. */
bool copse_member_ready(const struct copse_control *control, const char *member);
void copse_member_sync(struct copse_control *control, const struct copse_caller *caller, const char *session,
                       const char *member, const json_t *body, struct copse_answer *answer);
void copse_member_leave(struct copse_control *control, const struct copse_caller *caller, const char *session,
                        const char *member, struct copse_answer *answer);
/* session/remove.c: a PoP that is not there never returns; 409 while it is. */
void copse_pop_remove(struct copse_control *control, const char *pop, struct copse_answer *answer);
/* session/view.c, lists.c, why.c: what docs/api.md shows, from the model. Lists are in order of their items' names;
 * with more items than `limit` the answer has "next", the name to go on after. */
struct copse_query {
  const char *name;  /* of what is shown: a session, an account, a link "U/V", a member or tree; "" for lists of all */
  const char *after; /* "": from the beginning */
  size_t limit;      /* > 0 */
};
typedef void copse_view(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer);
copse_view copse_view_session, copse_view_session_trees, copse_view_session_members;
copse_view copse_view_sessions, copse_view_trees, copse_view_peers;
copse_view copse_view_pops, copse_view_links, copse_view_link, copse_view_drops;
copse_view copse_view_accounts, copse_view_ledger;
copse_view copse_view_why;

struct copse_store *copse_control_store(struct copse_control *control);
struct event_base *copse_control_base(struct copse_control *control);
/* `taken` is called from the loop whenever the dataplane has taken what it was sent; null: no longer. */
void copse_control_on_taken(struct copse_control *control, void (*taken)(void *context), void *context);
const char *copse_control_pop(const struct copse_control *control);
/* True while the store answers and the dataplane is connected. */
bool copse_control_healthy(const struct copse_control *control);
/* Prometheus text of dataplane counters, trees, links, sessions is appended to `out`. */
void copse_control_metrics(struct copse_control *control, FILE *out);

#endif
