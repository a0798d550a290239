/* SPDX-License-Identifier: Apache-2.0 */
/* How far it is: a bar on a terminal, a line now and then elsewhere, or JSON on standard output. */
#ifndef PEER_PROGRESS_H
#define PEER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct status {
  uint32_t have, blocks;
  uint64_t cdn_bytes, direct_bytes; /* of content, through trees and from peers */
  uint64_t sent_bytes;              /* of content, into trees and to peers */
  bool direct;                      /* no trees at present */
};

struct progress {
  bool json, terminal;
  uint64_t begun; /* ns */
  uint64_t shown;
  struct status last; /* as shown last */
};

void progress_init(struct progress *progress, bool json, uint64_t now);
/* Shows the status when it is time. */
void progress_update(struct progress *progress, const struct status *status, uint64_t now);
/* While a file is read: `what` and how much of it. */
void progress_reading(struct progress *progress, const char *what, uint64_t done, uint64_t size, uint64_t now);
/* The session's name, as soon as it is known. */
void progress_session(struct progress *progress, const char *session);
/* The file is complete. */
void progress_done(struct progress *progress, const struct status *status, const char *path, const uint8_t sha256[32],
                   uint64_t now);
/* Leaving. */
void progress_end(struct progress *progress, const struct status *status, uint64_t now);

#endif
