/* SPDX-License-Identifier: Apache-2.0 */
/* One member of one session: everything put together on one event loop. */
#ifndef PEER_PEER_H
#define PEER_PEER_H

#include "api.h"
#include "blocks.h"
#include "options.h"
#include "progress.h"

enum exit_status { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REFUSED = 3, EXIT_INTERRUPTED = 130 };

struct peer_config {
  const struct options *options;
  struct api *api;
  const char *session;
  const char *path; /* of the file, for a person */
  const struct content *content;
  struct blocks *blocks;
  struct progress *progress;
};

/* Joins, sends, receives, repairs and serves until the session is over, or a signal. */
enum exit_status peer_run(const struct peer_config *config);

#endif
