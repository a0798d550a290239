/* SPDX-License-Identifier: Apache-2.0 */
/* Membership: join, sync again and again, join again when forgotten, and elsewhere when the PoP does not serve us;
 * leave. What was ordered goes on without it. */
#ifndef PEER_CONTROL_H
#define PEER_CONTROL_H

#include "api.h"
#include "messages.h"

struct control;

struct control_config {
  struct api *api;
  const char *session;
  struct join join;
  /* A new member's label, keys and PoP. */
  void (*joined)(void *context, const struct joined *joined);
  /* Fill in what to report. */
  void (*report)(void *context, struct report *report);
  /* An answer to the last report. */
  void (*synced)(void *context, const struct synced *synced);
  /* Whether the PoP serves us, given whether its control plane has answered the last call. */
  bool (*served)(void *context, bool answered);
  /* No control plane wants us any more: a sentence. */
  void (*refused)(void *context, const char *sentence);
  void *context;
};

/* Joins from the loop, as soon as it runs. The config's strings must outlive it. Null when memory is short. */
struct control *control_start(const struct control_config *config);
/* Syncs as soon as is decent. */
void control_hurry(struct control *control);
/* From now on joins say `seed`, should the member be forgotten. */
void control_set_seed(struct control *control, bool seed);
/* Leaves: `left` is called when that is known or after a short time at most. No other callback comes after this. */
void control_leave(struct control *control, void (*left)(void *context));
void control_free(struct control *control);

#endif
