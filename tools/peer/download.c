/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch_state.h"
#include "say.h"
#include <inttypes.h>
#include <stdio.h>

static void
release(struct download *download) {
  download->contact->downloads--;
  download->transfer = NULL;
}

void
download_end(struct download *download, bool useful, uint64_t now) {
  transfer_cancel(download->transfer);
  if (useful)
    swarm_outcome(&download->fetch->swarm, download->contact, OUTCOME_BROKEN, now);
  release(download);
}

static bool
disk_failed(struct fetch *fetch) {
  fetch->failed = true;
  fetch->config.failed(fetch->config.context);
  return false;
}

/* The parts that were asked for are in the buffer. Of a block from two sources nobody knows whose part is wrong: one
 * that does not verify is fetched whole from one next time. False ends the download. */
static bool
take_parts(struct download *download, uint32_t block, uint64_t now) {
  struct fetch *fetch = download->fetch;
  uint64_t start = (uint64_t)block * COPSE_BLOCK_BYTES;
  enum received received = receiver_fill(fetch->config.receiver, block, download->block,
                                         (uint32_t)(download->from - start), (uint32_t)(download->end - start), now);

  if (received == RECEIVED_DISK_FAILED)
    return disk_failed(fetch);
  if (received == RECEIVED_BLOCK)
    fetch->config.stored(fetch->config.context);
  return true;
}

/* A whole block is in the buffer. False ends the download. */
static bool
take_block(struct download *download, uint32_t block) {
  struct fetch *fetch = download->fetch;
  enum put put = blocks_put(fetch->config.blocks, block, download->block);

  if (put == PUT_FAILED)
    return disk_failed(fetch);
  download->bad = put == PUT_BAD;
  receiver_drop(fetch->config.receiver, block);
  if (put == PUT_STORED)
    fetch->config.stored(fetch->config.context);
  return put != PUT_BAD;
}

static bool
on_data(void *context, const uint8_t *bytes, size_t count, uint64_t now) {
  struct download *download = context;
  struct fetch *fetch = download->fetch;

  download->moved = now;
  fetch->bytes += count;
  uplink_charge_received(fetch->config.uplink, (uint32_t)count);
  while (count > 0) {
    uint32_t block = (uint32_t)(download->at / COPSE_BLOCK_BYTES), offset = download->at % COPSE_BLOCK_BYTES;
    uint64_t block_end = (uint64_t)block * COPSE_BLOCK_BYTES + content_block_bytes(fetch->config.content, block);
    uint64_t end = download->end < block_end ? download->end : block_end;
    size_t part = end - download->at < count ? (size_t)(end - download->at) : count;
    if (part == 0)
      return false;
    memcpy(download->block + offset, bytes, part);
    download->at += part;
    bytes += part;
    count -= part;
    if (download->at == end && !(download->mixed ? take_parts(download, block, now) : take_block(download, block)))
      return false;
  }
  return true;
}

static enum outcome
outcome_of(const struct download *download, const struct transfer_result *result) {
  if (result->status == 206 && download->at == download->end)
    return OUTCOME_SERVED;
  if (result->status == 503)
    return OUTCOME_BUSY;
  return result->status == 416 ? OUTCOME_LACKING : OUTCOME_BROKEN;
}

static void
measure(struct fetch *fetch, const struct download *download, uint64_t now) {
  const uint64_t sample = (now - download->begun) / download->count;

  fetch->block_ns = fetch->block_ns == 0 ? sample : fetch->block_ns - fetch->block_ns / 8 + sample / 8;
}

static void
on_done(void *context, const struct transfer_result *result, uint64_t now) {
  struct download *download = context;
  struct fetch *fetch = download->fetch;

  if (download->bad) {
    say("%s sent a block that does not verify; not asking it again", download->contact->url);
    swarm_ban(&fetch->swarm, download->contact);
  }
  swarm_outcome(&fetch->swarm, download->contact, outcome_of(download, result), now);
  if (result->status == 206)
    measure(fetch, download, now);
  release(download);
  fetch->config.wake(fetch->config.context);
}

/* The bytes to ask for: of a single block with parts here only what it takes to complete it. */
static void
set_span(struct download *download) {
  const struct fetch *fetch = download->fetch;
  uint64_t start = (uint64_t)download->first * COPSE_BLOCK_BYTES;
  uint32_t last = download->first + download->count - 1, first, end;
  const struct partial *partial = assembler_find(fetch->config.receiver->assembler, download->first);

  download->from = download->at = start;
  download->end = (uint64_t)last * COPSE_BLOCK_BYTES + content_block_bytes(fetch->config.content, last);
  if (download->count > 1 || !partial)
    return;
  partial_missing(partial, &first, &end);
  download->from = download->at = start + first;
  download->end = start + end;
  download->mixed = true;
}

bool
download_begin(struct fetch *fetch, struct download *download, const struct choice *choice, uint64_t now) {
  char url[URL_CHARS + 64], range[64];

  *download = (struct download){.fetch = fetch,
                                .contact = choice->contact,
                                .first = choice->first,
                                .count = choice->count,
                                .begun = now,
                                .moved = now,
                                .block = fetch->buffers[download - fetch->downloads]};
  set_span(download);
  snprintf(url, sizeof(url), "%s/%s", choice->contact->url, fetch->config.session);
  snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, download->at, download->end - 1);
  download->transfer =
    transfer_start(fetch->config.transfers, &(struct transfer_request){.method = "GET",
                                                                       .url = url,
                                                                       .range = range,
                                                                       .connect_ms = FETCH_CONNECT_MS,
                                                                       .data = on_data,
                                                                       .done = on_done,
                                                                       .context = download});
  if (!download->transfer)
    return false;
  uplink_charge(fetch->config.uplink, FETCH_REQUEST_BYTES);
  choice->contact->downloads++;
  return true;
}
