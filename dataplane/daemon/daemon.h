/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of copse-dataplane, started in the order in which they need each other and stopped in the reverse. */
#ifndef COPSE_DAEMON_H
#define COPSE_DAEMON_H

#include "config.h"

struct copse_daemon;

/* Starts everything: the API socket last, so that whoever can connect finds all the rest. `path` is the file the
 * configuration came from, read again at SIGHUP. Null with a sentence; then nothing is left behind. The configuration
 * stays the caller's and outlives the daemon. */
struct copse_daemon *copse_daemon_start(struct copse_dataplane_config *config, const char *path,
                                        struct copse_error *error);

/* Serves until SIGTERM or SIGINT. */
void copse_daemon_run(struct copse_daemon *daemon);

/* Joins the workers, closes the ports, removes the socket. */
void copse_daemon_stop(struct copse_daemon *daemon);

#endif
