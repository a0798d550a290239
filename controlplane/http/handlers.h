/* SPDX-License-Identifier: Apache-2.0 */
/* What the routes of docs/api.md do, and what their functions share. Every handler sets call->reply. */
#ifndef COPSE_HTTP_HANDLERS_H
#define COPSE_HTTP_HANDLERS_H

#include "call.h"

/* A compare that fails is tried again so often. */
#define COPSE_COMMIT_TRIES 16

void copse_handle_health(struct copse_call *call);
void copse_handle_metrics(struct copse_call *call);
void copse_handle_topology(struct copse_call *call);
void copse_handle_events(struct copse_call *call);

void copse_handle_account_create(struct copse_call *call);
void copse_handle_account_show(struct copse_call *call);
void copse_handle_account_credit(struct copse_call *call);
void copse_handle_account_journal(struct copse_call *call);

void copse_handle_session_create(struct copse_call *call);
void copse_handle_session_list(struct copse_call *call);
void copse_handle_session_show(struct copse_call *call);
void copse_handle_session_trees(struct copse_call *call);
void copse_handle_session_delete(struct copse_call *call);
void copse_handle_leaves_put(struct copse_call *call);
void copse_handle_leaves_get(struct copse_call *call);

void copse_handle_join(struct copse_call *call);
void copse_handle_sync(struct copse_call *call);
void copse_handle_leave(struct copse_call *call);

/* True when the text is a name an account may have; copied to `out`, which has room for a caller's account. */
bool copse_account_name(const char *text, size_t length, char *out);

#define COPSE_SESSION_KEY_BYTES (sizeof "/sessions/" + COPSE_SESSION_CHARS)
void copse_session_key(const struct copse_call *call, char key[COPSE_SESSION_KEY_BYTES]);
/* May the caller change the session with this record? False: the reply is set. */
bool copse_session_mine(struct copse_call *call, const json_t *record);
bool copse_session_finished(const json_t *record);

/* Makes call->json of the body. False: the reply is set. */
bool copse_body_parse(struct copse_call *call);
/* A field of the body that must be a whole number from `minimum` to 2^53 - 1, written as integer or float. False: the
 * reply is set. */
bool copse_body_number(struct copse_call *call, const char *field, uint64_t minimum, uint64_t *out);
/* Largest number that every JSON reader takes exactly. */
#define COPSE_NUMBER_MAX ((1ULL << 53) - 1)

/* A record of the store, owned by the caller, and its revision. Null: the reply is set, 404 with "no such `what`" when
 * there is none. */
json_t *copse_record_get(struct copse_call *call, const char *key, const char *what, uint64_t *revision);
/* Writes records over the revisions they were read at (`compares`). -EAGAIN: read again; other errors: the reply is
 * set. */
int copse_record_commit(struct copse_call *call, const struct copse_compare *compares, size_t compare_count,
                        const struct copse_change *changes, size_t change_count);

#endif
