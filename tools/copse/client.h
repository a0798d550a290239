/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the control plane's API, one after the other over one connection. */
#ifndef COPSE_CLIENT_H
#define COPSE_CLIENT_H

#include "settings.h"
#include <jansson.h>
#include <stddef.h>

struct client;

/* `settings` outlives the client. Null: no memory. */
struct client *client_create(const struct settings *settings);
void client_free(struct client *client);

/* A request; `body` (borrowed) and `header` ("Name: value") may be null. The answer's body is owned by the caller, null
 * when it has none. 0, or with a sentence: -ENOENT (404), -EACCES (401, 403), -ENOTCONN (no answer), -EPROTO (an answer
 * that is no JSON), -EIO (any other refusal). */
int client_ask(struct client *client, const char *method, const char *path, const json_t *body, const char *header,
               json_t **answer, struct copse_error *error);
/* All pages of a list as one array of its items, at most `items_max` of them. */
int client_list(struct client *client, const char *path, const char *items, size_t items_max, json_t **list,
                struct copse_error *error);
/* Follows /v1/events until `take` returns false or the connection ends; after `last_id` unless it is "". `take` is
 * given each line of the stream, without its end. */
int client_follow(struct client *client, const char *last_id, bool (*take)(void *context, const char *line),
                  void *context, struct copse_error *error);

#endif
