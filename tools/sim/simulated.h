/* SPDX-License-Identifier: Apache-2.0 */
/* A session in simulation: peers that run the code of copse-peer (what to fetch from whom, how symbols become blocks,
 * how trees and uploads share an uplink) over simulated TCP and UDP, PoPs that meter and replicate with the dataplane's
 * token buckets, and a control plane that plans with BuildTrees and gives orders with the block scheduler. */
#ifndef SIM_SIMULATED_H
#define SIM_SIMULATED_H

#include "fetch.h"
#include "meter/token_bucket.h"
#include "orders.h"
#include "stream.h"
#include "uplink.h"

#include <copse/scheduler.h>
#include <copse/trees.h>

#define SIM_UPLOADS 5
#define SIM_IP_HEADERS 28 /* IPv4 and UDP */

struct sim_peer;
struct sim_session;

/* ---- scenario: what a session is made of; all of it is the caller's ---- */

struct sim_place {
  uint32_t node, pop;
  bool seed;
  uint64_t uplink_bps, downlink_bps;
  uint64_t arrival_ns;
};

struct sim_overlay {
  uint32_t from, to; /* PoPs */
  struct sim_link *link;
  uint64_t budget_bps;
};

struct sim_scenario {
  struct sim_network *network;
  const struct sim_tcp_config *tcp;
  const struct sim_place *places;
  uint32_t place_count;
  const uint32_t *pop_nodes;
  uint32_t pop_count;
  const struct sim_overlay *overlays;
  uint32_t overlay_count;
  uint64_t size;
  double growth;     /* C of every area */
  uint32_t burst_us; /* of token buckets */
  uint64_t sync_ns;  /* between a peer's reports */
  uint64_t tick_ns;  /* of a peer's fetching */
  uint64_t seed;     /* of chance */
  bool cdn;          /* trees; or peers alone */
  bool parity;       /* in trees, where they lose symbols */
  bool seeds_leave;  /* each once every block is at somebody else */
};

/* ---- connections: requests one way, answers the other ---- */

#define SIM_BUCKETS 64 /* of a client's connections, by server */

struct sim_connection {
  struct sim_stream request, answer;
  struct sim_peer *client, *server;
  struct transfer *transfer; /* null: idle */
  bool closed;
  /* server */
  uint64_t asked; /* bytes of the request that are still to come */
  bool uploading;
  uint64_t left;  /* bytes of the body that are not written yet */
  uint64_t again; /* bytes TCP has sent again that are paid for */
  uint64_t first;
  /* client */
  uint64_t header, body; /* bytes still to come */
  struct sim_connection *next;
};

struct transfers {
  struct sim_peer *peer;
};

struct sim_peer {
  struct sim_timer fetching, pumping, syncing, arriving;
  struct sim_endpoint blocks_in; /* symbols from its PoP */
  struct sim_session *session;
  const struct sim_place *place;
  uint32_t index, member; /* among all, and among those of its area */
  bool here, seed;
  uint32_t arrived; /* from 1, in the order they came */
  struct content content;
  struct blocks *blocks;
  struct receiver receiver;
  struct uplink uplink;
  struct transfers transfers;
  struct fetch *fetch;
  struct orders orders;
  bool sending; /* a block is at hand */
  uint32_t block, symbol;
  uint32_t symbols, with_parity;                   /* of that block, and of what is sent with it */
  uint32_t parity;                                 /* to send with each block from now on */
  struct sim_connection *connections[SIM_BUCKETS]; /* as client */
  struct sim_connection *uploads[SIM_UPLOADS];
  uint32_t turn;
  uint64_t charged;              /* to the uplink, up to the last step of the flow level, bytes */
  uint64_t finished_ns, left_ns; /* 0: not yet */
  /* control */
  struct sim_stream report, reply;
  uint64_t report_left, reply_left;
  bool reporting, hurry, want;
  uint64_t bitmap_sent_ns;           /* 0: never */
  uint8_t *bitmap, *interest;        /* of blocks trees need not bring: reported last; as the dataplane knows it */
  uint64_t loss_ppm;                 /* reported last */
  bool busy;                         /* trees take all of its uplink, as reported last */
  struct peer_info name;             /* in others' lists */
  uint64_t tree_bytes, upload_bytes; /* sent, of content */
};

/* plan.c */
struct sim_tree {
  bool planned;
  uint64_t rate_bps;
  struct copse_meter meter;
  struct copse_meter_rates rates;
  uint32_t *child; /* overlays, by the PoP they leave */
  uint32_t *child_count, *child_first;
  uint64_t packets, red, bytes;
};

/* pop.c */
struct sim_pop {
  struct sim_endpoint endpoint;
  struct sim_session *session;
  uint32_t index;
  struct sim_peer **members;      /* all that come to its area */
  uint32_t member_count, arrived; /* of them, so far */
};

/* report.c: all peers, as the scheduler must know them. */
struct sim_crowd {
  bool known; /* false: not as it is now */
  struct copse_demand demand;
  struct copse_sender *senders; /* complete, with a tree */
  size_t sender_count;
};

struct sim_session {
  struct sim_scenario scenario;
  struct sim_engine *engine;
  struct sim_peer *peers;
  struct sim_pop *pops;
  struct sim_peer **members;   /* by area */
  struct sim_tree *trees;      /* by root */
  struct copse_forest *forest; /* null: no plan yet */
  struct copse_arc *arcs;      /* the overlays', for plans */
  uint32_t *overlay_at;        /* [from * PoPs + to] */
  struct copse_rate *link_rates;
  uint64_t *link_buckets;
  struct copse_rate *member_rates;
  uint64_t *member_buckets;
  struct copse_scheduler *scheduler;
  struct sim_crowd crowd;
  bool areas_changed;
  uint32_t arrived, here; /* peers so far; those that have not left */
  uint32_t unfinished;
  int stop;
  uint64_t cdn_bytes; /* on overlay links */
  uint64_t link_drops, member_drops, hop_drops, unwanted;
};

/* blocks.c */
struct blocks *sim_blocks_create(uint64_t size, bool complete);
void sim_blocks_free(struct blocks *blocks);
uint32_t sim_block_bytes(const struct blocks *blocks, uint32_t block);
/* Of the symbol in this place of a buffer (parity.h): the block's own, then parity. */
uint32_t sim_symbol_bytes(const struct blocks *blocks, uint32_t block, uint32_t place);

/* connection.c */
/* The peer has gone: what others asked it for breaks off. */
void sim_connections_break(struct sim_peer *peer, uint64_t now);
void sim_connections_free(struct sim_peer *peer);
/* serve.c */
/* Begins to send the body of an answer; goes on when `bytes` of it have left. */
void sim_serve(struct sim_connection *connection);
void sim_serve_on(struct sim_connection *connection, uint64_t bytes, uint64_t now);
void sim_end_upload(struct sim_connection *connection);
/* At flow level, before rates are renewed: what each peer's uplink has for uploads. `context` is the session. */
void sim_serve_step(void *context, uint64_t now);
/* Sends what is due into trees and to peers, and sets when to look again. */
void sim_pump(struct sim_peer *peer, uint64_t now);
/* peer.c */
void sim_peer_init(struct sim_session *session, struct sim_peer *peer, uint32_t index);
void sim_peer_free(struct sim_peer *peer);
void sim_peer_stored(struct sim_peer *peer, uint64_t now);
void sim_peer_leave(struct sim_peer *peer, uint64_t now);
/* pop.c */
void sim_pops_init(struct sim_session *session);
void sim_pops_free(struct sim_session *session);
/* plan.c */
void sim_plan_init(struct sim_session *session);
/* A plan for the areas of the peers that are there. */
void sim_plan(struct sim_session *session);
void sim_plan_free(struct sim_session *session);
/* report.c */
void sim_report_init(struct sim_peer *peer);
void sim_report_soon(struct sim_peer *peer, uint64_t now);

/* session.c: runs to the end, or until `until` ns. Returns how many peers have not finished. */
uint32_t sim_session_run(struct sim_session *session, const struct sim_scenario *scenario, uint64_t until);
void sim_session_free(struct sim_session *session);

#endif
