/* SPDX-License-Identifier: Apache-2.0 */
#include "bits.h"
#include "fetch_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLISECOND 1000000ULL
#define SECOND (1000 * MILLISECOND)
/* A block known to be injected is asked for elsewhere after two to three of these. */
#define AGE_NS (150 * MILLISECOND)
#define QUIET_NS (300 * MILLISECOND) /* a partial block whose tree goes on without it */
/* Trees of which every block is asked and that show no sign of life for so long are not waited for: everything is
 * fetched until they do. */
#define SILENT_NS (2000 * MILLISECOND)
/* Without a byte for so long a request is given up; and for as long as this many blocks usually take, whatever is
 * longer. The next to the same peer may take twice that, so that what waits in a full queue before a slow downlink
 * comes in the end. */
#define STUCK_NS (3000 * MILLISECOND)
#define STUCK_BLOCKS 4
#define STUCK_DOUBLINGS 4U
#define ENDGAME_NS                                                                                                     \
  (500 * MILLISECOND) /* a request this old, or a block's time, may be doubled when nothing else is left */
#define RUN_BLOCKS 16U
#define POLLS 4
#define POLL_MS 30000
/* Knowing what others have costs their uplinks: at most a fiftieth of what has been received, beyond the first polls
 * and one now and then. */
#define POLL_PART 50
#define POLLS_FIRST 16
#define POLL_SECONDS 4
#define POLL_OVERHEAD_BYTES 600 /* of HTTP and TCP */
/* What a busy peer is asked for is missing from trees: of all that wait together at most a fiftieth of what trees
 * bring, which is what its uplink has for uploads. */
#define BUSY_PART 50
#define ANSWER_BYTES 250 /* headers of an answer, HTTP and TCP */

/* ---- what peers have ---- */

struct poll {
  struct fetch *fetch;
  struct contact *contact;
};

static void
on_have(void *context, const struct transfer_result *result, uint64_t now) {
  const struct poll *poll = context;

  poll->contact->polling = false;
  poll->fetch->polls--;
  if (result->status != 200 ||
      !swarm_have(&poll->fetch->swarm, poll->contact, (const uint8_t *)result->body, result->bytes))
    swarm_outcome(&poll->fetch->swarm, poll->contact, OUTCOME_BROKEN, now);
  poll->fetch->config.wake(poll->fetch->config.context);
}

static bool
may_poll(const struct fetch *fetch, uint64_t now) {
  const uint64_t cost = bits_bytes(fetch->swarm.blocks) + POLL_OVERHEAD_BYTES;
  const uint64_t received = fetch->bytes + fetch->config.receiver->bytes;

  return fetch->polls < POLLS &&
         fetch->polled < POLLS_FIRST + received / (POLL_PART * cost) + (now - fetch->begun) / (POLL_SECONDS * SECOND);
}

static void
poll_contacts(struct fetch *fetch, uint64_t now) {
  struct contact *contact;

  while (may_poll(fetch, now) && (contact = swarm_to_poll(&fetch->swarm, now)) != NULL) {
    char url[URL_CHARS + 64];
    struct poll *poll = malloc(sizeof(*poll));
    if (!poll)
      return;
    *poll = (struct poll){fetch, contact};
    snprintf(url, sizeof(url), "%s/%s/have", contact->url, fetch->config.session);
    contact->polled = now;
    contact->polling =
      transfer_start(fetch->config.transfers, &(struct transfer_request){.method = "GET",
                                                                         .url = url,
                                                                         .limit = bits_bytes(fetch->swarm.blocks),
                                                                         .connect_ms = FETCH_CONNECT_MS,
                                                                         .total_ms = POLL_MS,
                                                                         .done = on_have,
                                                                         .context = poll,
                                                                         .owned = true}) != NULL;
    if (!contact->polling) {
      free(poll);
      return;
    }
    uplink_charge(fetch->config.uplink, FETCH_REQUEST_BYTES);
    fetch->polls++;
    fetch->polled++;
  }
}

/* ---- what to ask for ---- */

static uint64_t
age_injected(struct fetch *fetch, uint64_t now) {
  size_t bytes = bits_bytes(fetch->swarm.blocks);

  if (now - fetch->aged < AGE_NS)
    return fetch->aged;
  for (size_t stage = FETCH_AGES - 1; stage > 0; stage--)
    memcpy(fetch->injected[stage], fetch->injected[stage - 1], bytes);
  return now;
}

static bool
is_direct(const struct fetch *fetch, uint64_t now) {
  uint64_t heard = fetch->config.receiver->last_ns > fetch->begun ? fetch->config.receiver->last_ns : fetch->begun;

  return fetch->told_direct || (double)(now - heard) * fetch->config.receiver->thinning.fraction > SILENT_NS;
}

/* Fills `wanted` with what is missing, should be here or cannot come by a tree, and is not asked for yet. */
static bool
find_wanted(struct fetch *fetch, uint64_t now) {
  const uint8_t *have = blocks_bitmap(fetch->config.blocks);
  size_t bytes = bits_bytes(fetch->swarm.blocks);
  uint8_t any = 0;

  if (is_direct(fetch, now)) {
    memset(fetch->wanted, 0xff, bytes);
    for (uint32_t beyond = fetch->swarm.blocks; beyond < bytes * 8; beyond++)
      bits_clear(fetch->wanted, beyond);
  } else {
    memcpy(fetch->wanted, fetch->injected[FETCH_AGES - 1], bytes);
    receiver_stalled(fetch->config.receiver, now, QUIET_NS, fetch->wanted);
  }
  for (size_t i = 0; i < FETCH_DOWNLOADS; i++)
    for (uint32_t k = 0; fetch->downloads[i].transfer && k < fetch->downloads[i].count; k++)
      bits_clear(fetch->wanted, fetch->downloads[i].first + k);
  for (size_t i = 0; i < bytes; i++)
    any |= fetch->wanted[i] &= (uint8_t)~have[i];
  return any != 0;
}

/* Blocks of which parts are here are asked for alone, the others in runs. */
static void
trim(const struct fetch *fetch, struct choice *choice) {
  const struct assembler *assembler = fetch->config.receiver->assembler;
  uint32_t first = choice->block, end = choice->block + 1;

  if (!assembler_find(assembler, choice->block)) {
    while (first > choice->first && !assembler_find(assembler, first - 1))
      first--;
    while (end < choice->first + choice->count && !assembler_find(assembler, end))
      end++;
  }
  choice->first = first;
  choice->count = end - first;
}

/* Long requests while there is much to do; short ones near the end, so that all downloads end together. */
static uint32_t
run_length(const struct fetch *fetch) {
  uint32_t missing = fetch->swarm.blocks - blocks_have(fetch->config.blocks), run = missing / (4 * FETCH_DOWNLOADS);

  return run < 1 ? 1 : run > RUN_BLOCKS ? RUN_BLOCKS : run;
}

static struct download *
free_download(struct fetch *fetch) {
  for (size_t i = 0; i < FETCH_DOWNLOADS; i++)
    if (!fetch->downloads[i].transfer)
      return &fetch->downloads[i];
  return NULL;
}

static bool
may_ask_busy(const struct fetch *fetch) {
  const uint64_t received = fetch->bytes + fetch->config.receiver->bytes;

  return fetch->asked_busy < received / (BUSY_PART * fetch->waiting);
}

/* Those who send into trees come last, for what nobody else is known to have. */
static bool
choose(struct fetch *fetch, const struct wish *wish, struct choice *choice) {
  struct wish last = *wish;

  if (swarm_choose(&fetch->swarm, wish, choice))
    return true;
  last.busy = true;
  last.most = 1;
  return !wish->busy && may_ask_busy(fetch) && swarm_choose(&fetch->swarm, &last, choice);
}

static void
ask_for(struct fetch *fetch, uint8_t *wanted, bool late, uint64_t now) {
  struct wish wish = {.wanted = wanted,
                      .most = run_length(fetch),
                      .near_first = !fetch->told_direct,
                      .busy = is_direct(fetch, now),
                      .late = late,
                      .now = now};
  struct download *download;
  struct choice choice;

  while ((download = free_download(fetch)) != NULL && choose(fetch, &wish, &choice)) {
    trim(fetch, &choice);
    if (!download_begin(fetch, download, &choice, now))
      return;
    if (choice.contact->busy && !wish.busy)
      fetch->asked_busy += download->end - download->from + ANSWER_BYTES + FETCH_REQUEST_BYTES;
    for (uint32_t i = 0; i < choice.count; i++)
      bits_clear(wanted, choice.first + i);
  }
}

/* What trees lost on the way to us comes before what we came too late for. Trees bring that once more, the oldest
 * first: we begin at the other end, so that neither brings what the other has. */
static void
ask_for_wanted(struct fetch *fetch, uint64_t now) {
  const bool direct = is_direct(fetch, now);
  uint8_t any_late = 0;

  for (size_t i = 0; i < bits_bytes(fetch->swarm.blocks); i++) {
    fetch->wanted_late[i] = direct ? 0 : fetch->wanted[i] & fetch->missed[i];
    fetch->wanted[i] ^= fetch->wanted_late[i];
    any_late |= fetch->wanted_late[i];
  }
  ask_for(fetch, fetch->wanted, false, now);
  if (any_late)
    ask_for(fetch, fetch->wanted_late, true, now);
}

static uint64_t
longer(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

/* Nothing is left to ask for: what is slow to come is asked for once more, from somebody else. */
static void
double_slow_ones(struct fetch *fetch, uint64_t now) {
  for (size_t i = 0; i < FETCH_DOWNLOADS; i++) {
    struct download *slow = &fetch->downloads[i], *download = free_download(fetch);
    struct wish wish = {
      .wanted = fetch->wanted, .most = RUN_BLOCKS, .busy = is_direct(fetch, now), .whom = slow->contact, .now = now};
    struct choice choice;
    if (!download)
      return;
    if (!slow->transfer || slow->doubled || now - slow->begun < longer(ENDGAME_NS, fetch->block_ns))
      continue;
    memset(fetch->wanted, 0, bits_bytes(fetch->swarm.blocks));
    for (uint32_t k = slow->first; k < slow->first + slow->count; k++)
      if (!blocks_has(fetch->config.blocks, k))
        bits_set(fetch->wanted, k);
    if (!swarm_choose(&fetch->swarm, &wish, &choice))
      continue;
    trim(fetch, &choice);
    slow->doubled = download_begin(fetch, download, &choice, now);
    download->doubled = true;
  }
}

static bool
is_stuck(const struct fetch *fetch, const struct download *download, uint64_t now) {
  unsigned doublings = download->contact->stuck < STUCK_DOUBLINGS ? download->contact->stuck : STUCK_DOUBLINGS;

  return now - download->moved > longer(STUCK_NS, STUCK_BLOCKS * fetch->block_ns) << doublings;
}

/* Ends downloads that are stuck, of somebody banned, or of blocks that came another way. */
static void
end_useless(struct fetch *fetch, uint64_t now) {
  for (size_t i = 0; i < FETCH_DOWNLOADS; i++) {
    struct download *download = &fetch->downloads[i];
    bool useful = false;
    if (!download->transfer)
      continue;
    for (uint32_t k = 0; k < download->count; k++)
      useful |= !blocks_has(fetch->config.blocks, download->first + k);
    bool stuck = is_stuck(fetch, download, now);
    if (!useful || stuck || swarm_banned(&fetch->swarm, download->contact)) {
      download->contact->stuck += useful && stuck;
      download_end(download, useful, now);
    }
  }
}

void
fetch_run(struct fetch *fetch, uint64_t now) {
  end_useless(fetch, now);
  if (fetch->failed || blocks_have(fetch->config.blocks) == fetch->swarm.blocks)
    return;
  fetch->aged = age_injected(fetch, now);
  receiver_weigh(fetch->config.receiver, now, QUIET_NS);
  if (free_download(fetch) == NULL)
    return;
  if (find_wanted(fetch, now)) {
    poll_contacts(fetch, now);
    ask_for_wanted(fetch, now);
  } else {
    double_slow_ones(fetch, now);
  }
}

/* ---- */

struct fetch *
fetch_create(const struct fetch_config *config, uint64_t seed, uint64_t now) {
  struct fetch *fetch = calloc(1, sizeof(*fetch));
  uint32_t blocks = blocks_total(config->blocks);

  if (!fetch)
    return NULL;
  fetch->config = *config;
  fetch->begun = now;
  fetch->waiting = 1;
  bool ok = swarm_init(&fetch->swarm, blocks, seed) == 0;
  for (size_t stage = 0; stage < FETCH_AGES; stage++)
    ok &= (fetch->injected[stage] = calloc(1, bits_bytes(blocks))) != NULL;
  fetch->missed = calloc(1, bits_bytes(blocks));
  fetch->wanted = calloc(1, bits_bytes(blocks));
  fetch->wanted_late = calloc(1, bits_bytes(blocks));
  if (!ok || !fetch->missed || !fetch->wanted || !fetch->wanted_late) {
    fetch_free(fetch);
    return NULL;
  }
  return fetch;
}

void
fetch_free(struct fetch *fetch) {
  if (!fetch)
    return;
  for (size_t stage = 0; stage < FETCH_AGES; stage++)
    free(fetch->injected[stage]);
  free(fetch->missed);
  free(fetch->wanted);
  free(fetch->wanted_late);
  swarm_free(&fetch->swarm);
  free(fetch);
}

void
fetch_update(struct fetch *fetch, const struct synced *synced, const char *own_member) {
  uint8_t *injected = fetch->told ? fetch->injected[0] : fetch->missed;

  fetch->told_direct = synced->direct;
  fetch->waiting = synced->waiting > 0 ? synced->waiting : 1;
  for (size_t i = 0; i < synced->injected.count; i++) {
    const struct range *range = &synced->injected.items[i];
    uint64_t end = (uint64_t)range->first + range->count;
    for (uint64_t block = range->first; block < end && block < fetch->swarm.blocks; block++)
      bits_set(injected, (uint32_t)block);
  }
  if (!fetch->told)
    memcpy(fetch->injected[0], fetch->missed, bits_bytes(fetch->swarm.blocks));
  fetch->told = true;
  swarm_update(&fetch->swarm, synced->peers, synced->peer_count, own_member);
}

uint64_t
fetch_bytes(const struct fetch *fetch) {
  return fetch->bytes;
}
