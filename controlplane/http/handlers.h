/* SPDX-License-Identifier: Apache-2.0 */
/* What the routes of docs/api.md do, and what their functions share. Every handler sets call->reply. */
#ifndef COPSE_HTTP_HANDLERS_H
#define COPSE_HTTP_HANDLERS_H

#include "call.h"
#include "store/transaction.h"

/* A compare that fails is tried again so often. */
#define COPSE_COMMIT_TRIES 16

typedef void copse_handler(struct copse_call *call);
copse_handler copse_handle_health, copse_handle_metrics, copse_handle_openapi, copse_handle_events;
copse_handler copse_handle_pop_remove;
copse_handler copse_handle_account_create, copse_handle_account_show, copse_handle_account_credit;
copse_handler copse_handle_account_journal;
copse_handler copse_handle_link_put, copse_handle_link_reset;
copse_handler copse_handle_session_create, copse_handle_session_delete;
copse_handler copse_handle_leaves_put, copse_handle_leaves_get;
copse_handler copse_handle_join, copse_handle_sync, copse_handle_leave;

/* routes.c: one route of the API. Exactly one of `handle` and `view` is set. */
enum copse_body { COPSE_BODY_NONE, COPSE_BODY_JSON, COPSE_BODY_BYTES };
struct copse_route {
  const char *method, *path; /* {…}: one segment, see router.c */
  int role;                  /* at least */
  enum copse_body body;
  unsigned arguments; /* bits of enum copse_argument */
  copse_handler *handle;
  copse_view *view; /* shows what the path names */
};
extern const struct copse_route copse_routes[];
extern const size_t copse_route_count;

/* True when the text is a name an account may have; copied to `out`, which has room for a caller's account. */
bool copse_account_name(const char *text, size_t length, char *out);

#define COPSE_SESSION_KEY_BYTES (sizeof "/sessions/" + COPSE_SESSION_CHARS)
void copse_session_key(const struct copse_call *call, char key[COPSE_SESSION_KEY_BYTES]);
/* May the caller change the session with this record? False: the reply is set. */
bool copse_session_mine(struct copse_call *call, const json_t *record);
bool copse_session_finished(const json_t *record);

/* A number of 1 to 19 digits and nothing else, as in arguments and entity tags. */
bool copse_digits(const char *text, uint64_t *out);
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
/* If-Match against the revision a record has: true to go on. False: the reply is 412, 428 when the header is `required`
 * and missing, 400 when it is none. */
bool copse_match(struct copse_call *call, uint64_t revision, bool required);

/* An Idempotency-Key, if there is one, makes of a change one that is made once: its answer is kept beside it, sealed so
 * that only who knows key and token can open it, and given again. */
/* True: it was made before, or the key is wrong; the reply is set. */
bool copse_replay(struct copse_call *call);
/* Commits together with the answer, `status` and `body` (taken over), which becomes the reply. -EAGAIN also when
 * another request with the same key was faster: copse_replay then has its answer. Other errors: the reply is set. */
int copse_commit_once(struct copse_call *call, struct copse_transaction *transaction, int status, json_t *body);

/* Writes records over the revisions they were read at (`compares`). -EAGAIN: read again; other errors: the reply is
 * set. */
int copse_record_commit(struct copse_call *call, const struct copse_compare *compares, size_t compare_count,
                        const struct copse_change *changes, size_t change_count);

#endif
