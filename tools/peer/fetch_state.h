/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of fetch.h, shared by fetch.c (what to ask whom) and download.c (one request). */
#ifndef PEER_FETCH_STATE_H
#define PEER_FETCH_STATE_H

#include "fetch.h"

#define FETCH_AGES 3
#define FETCH_CONNECT_MS 2000
#define FETCH_REQUEST_BYTES 250U /* of HTTP and TCP */

struct download {
  struct fetch *fetch;
  struct transfer *transfer; /* null: free */
  struct contact *contact;
  uint32_t first, count;
  uint64_t from, at, end; /* bytes of content: first of the request, next to come, end of the request */
  bool mixed;             /* completes a block of which parts came through a tree */
  bool bad;               /* sent what does not verify */
  bool doubled;           /* somebody else was asked for the same */
  uint64_t begun, moved;
  uint8_t *block; /* being put together */
};

struct fetch {
  struct fetch_config config;
  struct swarm swarm;
  bool told_direct; /* by the control plane */
  bool failed;
  uint64_t begun;                /* ns */
  uint64_t aged;                 /* when the stages moved on */
  uint8_t *injected[FETCH_AGES]; /* newest first; the last is old enough to repair */
  bool told;                     /* of blocks injected so far */
  uint8_t *missed;               /* injected before we came */
  uint8_t *wanted, *wanted_late; /* those of them that we missed */
  struct download downloads[FETCH_DOWNLOADS];
  uint8_t buffers[FETCH_DOWNLOADS][COPSE_BLOCK_BYTES];
  unsigned polls;      /* under way */
  uint64_t polled;     /* begun so far */
  uint64_t waiting;    /* members that miss something, as we were told; at least us */
  uint64_t asked_busy; /* bytes that busy peers were asked for, headers included */
  uint64_t bytes;
  uint64_t block_ns; /* that a block takes on one download, smoothed; 0: not known */
};

/* Asks for the run of the choice, of a single block with parts here only for what is missing. False: no memory. */
bool download_begin(struct fetch *fetch, struct download *download, const struct choice *choice, uint64_t now);
/* Ends it: `useful` is false when its blocks came another way; otherwise its contact let us wait in vain. */
void download_end(struct download *download, bool useful, uint64_t now);

#endif
