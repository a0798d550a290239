/* SPDX-License-Identifier: Apache-2.0 */
/* A session's leaf hashes: verified against its Merkle root, kept in chunks, served as they came. */
#include "handlers.h"
#include <copse/manifest.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_LEAVES 2000U
#define CHUNK_BYTES ((size_t)CHUNK_LEAVES * COPSE_HASH_BYTES)
#define CHUNK_TEXT_BYTES (sodium_base64_ENCODED_LEN(CHUNK_BYTES, sodium_base64_VARIANT_ORIGINAL) + 2)
#define BATCH 8U /* chunks of one transaction: under 1 MiB, which every store takes */
#define KEY_BYTES (sizeof "/leaves/4294967295/" + COPSE_SESSION_CHARS)

static void
make_key(const struct copse_call *call, uint32_t chunk, char key[KEY_BYTES]) {
  snprintf(key, KEY_BYTES, "/leaves/%s/%u", call->session, chunk);
}

static uint32_t
chunk_count(uint32_t leaves) {
  return (leaves + CHUNK_LEAVES - 1) / CHUNK_LEAVES;
}

/* Reads the session and what it distributes. Null: the reply is set. */
static json_t *
read_session(struct copse_call *call, struct copse_manifest *manifest) {
  char key[COPSE_SESSION_KEY_BYTES];
  uint64_t revision;
  json_t *record;

  copse_session_key(call, key);
  record = copse_record_get(call, key, "session", &revision);
  if (record != NULL && copse_manifest_parse(json_object_get(record, "manifest"), manifest, NULL, NULL) != 0) {
    copse_reply_fail(call, 500, NULL, "the store's record of this session cannot be read");
    json_decref(record);
    return NULL;
  }
  return record;
}

/* A JSON string of base64, which needs no escapes. */
static char *
encode_chunk(const uint8_t *bytes, size_t length) {
  char *text = malloc(CHUNK_TEXT_BYTES);

  if (text != NULL) {
    text[0] = '"';
    sodium_bin2base64(text + 1, CHUNK_TEXT_BYTES - 1, bytes, length, sodium_base64_VARIANT_ORIGINAL);
    memcpy(text + strlen(text), "\"", 2);
  }
  return text;
}

/* Chunks first … first + count - 1 in one transaction. False: the reply is set. */
static bool
put_chunks(struct copse_call *call, uint32_t first, uint32_t count) {
  struct copse_change changes[BATCH];
  char keys[BATCH][KEY_BYTES];
  char *texts[BATCH] = {NULL};
  bool complete = true;
  int result = -ENOMEM;

  for (uint32_t i = 0; i < count; i++) {
    size_t start = (first + i) * CHUNK_BYTES;
    size_t left = call->length - start;
    make_key(call, first + i, keys[i]);
    texts[i] = encode_chunk(call->bytes + start, left < CHUNK_BYTES ? left : CHUNK_BYTES);
    changes[i] = (struct copse_change){.kind = COPSE_CHANGE_PUT, .key = keys[i], .value = texts[i]};
    complete = complete && texts[i] != NULL;
  }
  if (complete)
    result = copse_record_commit(call, NULL, 0, changes, count);
  for (uint32_t i = 0; i < count; i++)
    free(texts[i]);
  if (!complete)
    copse_reply_fail(call, 500, NULL, "no memory");
  else if (result == -EAGAIN)
    copse_reply_store(call, result);
  return result == 0;
}

/* True when the leaves are there already: the last chunk is written last. Otherwise writes them. */
static bool
put_leaves(struct copse_call *call, uint32_t leaves) {
  uint32_t chunks = chunk_count(leaves);
  char key[KEY_BYTES];
  struct copse_value value;

  make_key(call, chunks - 1, key);
  if (copse_store_get(copse_control_store(call->api->control), key, &value) == 0) {
    copse_value_free(&value);
    return true;
  }
  for (uint32_t first = 0; first < chunks; first += BATCH)
    if (!put_chunks(call, first, chunks - first < BATCH ? chunks - first : BATCH))
      return false;
  return true;
}

/* The leaves must be as many as the content has blocks, and hash to its root. False: the reply is set. */
static bool
verify(struct copse_call *call, const struct copse_manifest *manifest) {
  uint32_t leaves = copse_manifest_blocks(manifest);
  uint8_t root[COPSE_HASH_BYTES];

  if (call->length != (size_t)leaves * COPSE_HASH_BYTES) {
    copse_reply_fail(call, 400, NULL, "the body must be %zu bytes: %d for each of %u blocks",
                     (size_t)leaves * COPSE_HASH_BYTES, COPSE_HASH_BYTES, leaves);
    return false;
  }
  if (copse_merkle_root((const uint8_t(*)[COPSE_HASH_BYTES])call->bytes, leaves, root) != 0) {
    copse_reply_fail(call, 500, NULL, "no memory");
    return false;
  }
  if (memcmp(root, manifest->root, sizeof(root)) != 0) {
    copse_reply_fail(call, 400, NULL, "the leaves do not hash to the session's root");
    return false;
  }
  return true;
}

void
copse_handle_leaves_put(struct copse_call *call) {
  struct copse_manifest manifest;
  json_t *record = read_session(call, &manifest);

  if (record == NULL)
    return;
  if (copse_session_finished(record))
    copse_reply_fail(call, 409, NULL, "the session is finished");
  else if (copse_session_mine(call, record) && verify(call, &manifest) &&
           put_leaves(call, copse_manifest_blocks(&manifest)))
    call->reply.answer.status = 204;
  json_decref(record);
}

/* Decodes a chunk to exactly `length` bytes. */
static bool
decode_chunk(const char *text, uint8_t *out, size_t length) {
  json_t *string = json_loads(text, JSON_DECODE_ANY, NULL);
  size_t got = 0;
  bool decoded =
    json_is_string(string) && sodium_base642bin(out, length, json_string_value(string), json_string_length(string),
                                                NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;

  json_decref(string);
  return decoded && got == length;
}

/* 0, -ENOENT when a chunk is missing, -EBADMSG, or an errno of the store. */
static int
read_leaves(struct copse_call *call, uint8_t *out, size_t length) {
  char key[KEY_BYTES];
  struct copse_value value;

  for (size_t start = 0; start < length; start += CHUNK_BYTES) {
    size_t left = length - start;
    int result;

    make_key(call, (uint32_t)(start / CHUNK_BYTES), key);
    result = copse_store_get(copse_control_store(call->api->control), key, &value);
    if (result != 0)
      return result;
    result = decode_chunk(value.value, out + start, left < CHUNK_BYTES ? left : CHUNK_BYTES) ? 0 : -EBADMSG;
    copse_value_free(&value);
    if (result != 0)
      return result;
  }
  return 0;
}

void
copse_handle_leaves_get(struct copse_call *call) {
  struct copse_manifest manifest;
  json_t *record = read_session(call, &manifest);
  size_t length;
  uint8_t *bytes;
  int result;

  if (record == NULL)
    return;
  json_decref(record);
  length = (size_t)copse_manifest_blocks(&manifest) * COPSE_HASH_BYTES;
  bytes = malloc(length);
  result = bytes != NULL ? read_leaves(call, bytes, length) : -ENOMEM;
  if (result == 0) {
    call->reply = (struct copse_reply){
      .answer.status = 200, .bytes = bytes, .length = length, .content_type = "application/octet-stream"};
    return;
  }
  free(bytes);
  if (result == -ENOENT)
    copse_reply_fail(call, 404, NULL, "the session's leaves are not there yet");
  else if (result == -EBADMSG)
    copse_reply_fail(call, 500, NULL, "the store's leaves of this session cannot be read");
  else
    copse_reply_store(call, result);
}
