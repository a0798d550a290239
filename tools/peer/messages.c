/* SPDX-License-Identifier: Apache-2.0 */
#include "messages.h"
#include "bits.h"
#include "parity.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>

#define RANGES_MAX 65536
#define SYNC_MS_MIN 20
#define SYNC_MS_MAX 10000
#define AGAIN_MS_MAX 3600000

static char *
to_text(json_t *json) {
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

  json_decref(json);
  return text;
}

char *
message_join(const struct join *join) {
  return to_text(json_pack("{s:s, s:i, s:i, s:I, s:I, s:b, s:b}", "address", join->address, "port", (int)join->port,
                           "http_port", (int)join->http_port, "uplink_bps", (json_int_t)join->uplink_bps,
                           "downlink_bps", (json_int_t)join->downlink_bps, "seed", (int)join->seed, "direct",
                           (int)join->direct));
}

static json_t *
base64(const uint8_t *bytes, size_t count) {
  size_t room = sodium_base64_encoded_len(count, sodium_base64_VARIANT_ORIGINAL);
  char *text = malloc(room);
  json_t *json = text ? json_string(sodium_bin2base64(text, room, bytes, count, sodium_base64_VARIANT_ORIGINAL)) : NULL;

  free(text);
  return json;
}

char *
message_report(const struct report *report) {
  json_t *sent = json_array();
  json_t *json = json_pack("{s:i, s:b, s:o, s:b, s:b, s:I, s:I, s:I, s:i}", "have", (int)report->have, "done",
                           (int)report->done, "sent", sent, "want", (int)report->want, "busy", (int)report->busy,
                           "cdn_bytes", (json_int_t)report->cdn_bytes, "direct_bytes", (json_int_t)report->direct_bytes,
                           "sent_bytes", (json_int_t)report->sent_bytes, "loss_ppm", (int)report->loss_ppm);

  for (size_t i = 0; json && i < report->sent->count; i++)
    json_array_append_new(sent,
                          json_pack("[i, i]", (int)report->sent->items[i].first, (int)report->sent->items[i].count));
  if (json && report->bitmap)
    json_object_set_new(json, "bitmap", base64(report->bitmap, bits_bytes(report->blocks)));
  return to_text(json);
}

static bool
read_uint(const json_t *object, const char *name, uint64_t maximum, uint64_t *out) {
  const json_t *json = json_object_get(object, name);
  double number = json_number_value(json);

  if (!json_is_number(json) || !(number >= 0) || number > (double)maximum)
    return false;
  *out = json_is_integer(json) ? (uint64_t)json_integer_value(json) : (uint64_t)number;
  return *out <= maximum;
}

static bool
read_key(const json_t *object, const char *name, uint8_t key[COPSE_KEY_BYTES]) {
  const char *hex = json_string_value(json_object_get(object, name));
  size_t bytes;

  return hex && strlen(hex) == 2UL * COPSE_KEY_BYTES &&
         !sodium_hex2bin(key, COPSE_KEY_BYTES, hex, 2UL * COPSE_KEY_BYTES, NULL, &bytes, NULL) &&
         bytes == COPSE_KEY_BYTES;
}

/* A name that goes into a URL's path: letters, digits, dash. */
static bool
read_member(const json_t *object, char member[MEMBER_CHARS]) {
  const char *text = json_string_value(json_object_get(object, "member"));

  if (!text || !*text || strlen(text) >= MEMBER_CHARS ||
      text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-")])
    return false;
  memcpy(member, text, strlen(text) + 1);
  return true;
}

static bool
read_block_address(const json_t *json, struct joined *joined) {
  const char *text = json_string_value(json_object_get(json, "block_address"));
  struct sockaddr_in *four = (struct sockaddr_in *)&joined->block;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&joined->block;
  uint64_t port;

  if (!text || !read_uint(json, "block_port", UINT16_MAX, &port) || port == 0)
    return false;
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    joined->block_bytes = sizeof(*four);
    return true;
  }
  six->sin6_family = AF_INET6;
  six->sin6_port = htons((uint16_t)port);
  joined->block_bytes = sizeof(*six);
  return inet_pton(AF_INET6, text, &six->sin6_addr) == 1;
}

int
message_joined(const json_t *json, struct joined *joined, struct copse_error *error) {
  uint64_t label;

  *joined = (struct joined){0};
  if (!read_member(json, joined->member))
    return copse_fail(error, -EPROTO, "the answer to join has no usable member");
  if (!read_uint(json, "label", UINT32_MAX, &label))
    return copse_fail(error, -EPROTO, "the answer to join has no label");
  if (!read_key(json, "key", joined->key) || !read_key(json, "area_key", joined->area_key))
    return copse_fail(error, -EPROTO, "the answer to join lacks a key");
  if (!read_block_address(json, joined))
    return copse_fail(error, -EPROTO, "the answer to join has no usable block_address and block_port");
  if (!read_uint(json, "sync_ms", SYNC_MS_MAX, &joined->sync_ms) || joined->sync_ms < SYNC_MS_MIN)
    return copse_fail(error, -EPROTO, "the answer to join has no usable sync_ms");
  joined->label = (uint32_t)label;
  return 0;
}

/* A missing list is an empty one. */
static bool
read_ranges(const json_t *list, struct ranges *ranges) {
  size_t index;
  json_t *item;

  if (json_array_size(list) > RANGES_MAX)
    return false;
  json_array_foreach(list, index, item) {
    json_int_t first = json_integer_value(json_array_get(item, 0)), count = json_integer_value(json_array_get(item, 1));
    if (json_array_size(item) != 2 || first < 0 || count < 0 || first > UINT32_MAX || count > UINT32_MAX - first)
      return false;
    if (count > 0 && ranges_append(ranges, (uint32_t)first, (uint32_t)count) < 0)
      return false;
  }
  return true;
}

static bool
read_peer(const json_t *json, struct peer_info *peer) {
  const char *url = json_string_value(json_object_get(json, "url"));
  uint64_t have = 0;

  if (!read_member(json, peer->member) || !url || strncmp(url, "http://", 7) != 0 || strlen(url) >= URL_CHARS)
    return false;
  memcpy(peer->url, url, strlen(url) + 1);
  if (json_object_get(json, "have") && !read_uint(json, "have", UINT32_MAX, &have))
    return false;
  peer->have = (uint32_t)have;
  peer->near = json_is_true(json_object_get(json, "near"));
  peer->done = json_is_true(json_object_get(json, "done"));
  peer->busy = json_is_true(json_object_get(json, "busy"));
  return true;
}

static bool
read_peers(const json_t *list, struct synced *synced) {
  size_t count = json_array_size(list) < MESSAGE_PEERS_MAX ? json_array_size(list) : MESSAGE_PEERS_MAX;

  synced->peers = calloc(count + 1, sizeof(*synced->peers));
  if (!synced->peers)
    return false;
  for (size_t i = 0; i < count; i++)
    if (read_peer(json_array_get(list, i), &synced->peers[synced->peer_count]))
      synced->peer_count++;
  return true;
}

int
message_synced(const json_t *json, struct synced *synced, struct copse_error *error) {
  const char *state = json_string_value(json_object_get(json, "state")),
             *mode = json_string_value(json_object_get(json, "mode"));
  const json_t *send = json_object_get(json, "send");

  *synced = (struct synced){0};
  if (!state || !mode)
    return copse_fail(error, -EPROTO, "the answer to sync lacks state or mode");
  synced->finished = !strcmp(state, "finished");
  synced->direct = !strcmp(mode, "direct");
  synced->unproven = json_is_false(json_object_get(json, "permitted"));
  if (send && !read_uint(send, "rate_bps", UINT64_MAX / 2, &synced->rate_bps))
    return copse_fail(error, -EPROTO, "the answer to sync has no usable send.rate_bps");
  if (json_object_get(send, "parity") && !read_uint(send, "parity", PARITY_MAX, &synced->parity))
    return copse_fail(error, -EPROTO, "the answer to sync has no usable send.parity");
  if (json_object_get(send, "again_ms") && !read_uint(send, "again_ms", AGAIN_MS_MAX, &synced->again_ms))
    return copse_fail(error, -EPROTO, "the answer to sync has no usable send.again_ms");
  if (json_object_get(json, "waiting") && !read_uint(json, "waiting", UINT32_MAX, &synced->waiting))
    return copse_fail(error, -EPROTO, "the answer to sync has no usable waiting");
  if (!read_ranges(json_object_get(send, "orders"), &synced->orders) ||
      !read_ranges(json_object_get(json, "injected"), &synced->injected) ||
      !read_peers(json_object_get(json, "peers"), synced)) {
    synced_free(synced);
    return copse_fail(error, -EPROTO, "the answer to sync has unusable orders, injected ranges or peers");
  }
  return 0;
}

void
synced_free(struct synced *synced) {
  ranges_free(&synced->orders);
  ranges_free(&synced->injected);
  free(synced->peers);
  *synced = (struct synced){0};
}
