/* SPDX-License-Identifier: Apache-2.0 */
#include "entry.h"
#include "say.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_MS 15000
#define LONG_MS 300000 /* leaves: megabytes over a slow uplink */
#define LEAVES_AGAIN_MS 500
#define LEAVES_LOOK 4 /* so often in between, whether there is a session still */

#define KEY_BYTES 16

/* Turns an answer that is not the expected one into an error. */
static int
refused(const struct api *api, const struct api_reply *reply, const char *what, struct copse_error *error) {
  int code = reply->status == 404 ? -ENOENT : -EACCES;

  return copse_fail(error, code, "%s refused to %s: %d %s", pops_url(api->pops), what, reply->status, reply->detail);
}

static int
check(const struct api *api, int result, struct api_reply *reply, int expected, const char *what,
      struct copse_error *error) {
  if (result == 0 && reply->status != expected)
    result = refused(api, reply, what, error);
  else if (result < 0)
    copse_fail(error, result, "no memory");
  if (result < 0)
    api_reply_free(reply);
  return result;
}

/* Asks one PoP after another, until one answers as expected or all have refused. */
static int
ask_any(struct api *api, const struct api_request *request, struct api_reply *reply, int expected, const char *what,
        struct copse_error *error) {
  for (;;) {
    int result = check(api, api_wait(api, request, reply), reply, expected, what, error);
    if ((result != -ENOENT && result != -EACCES) || !pops_refuse(api->pops))
      return result;
    say("%s; trying %s", error->text, pops_url(api->pops));
  }
}

static int
post_session(struct api *api, const struct copse_manifest *manifest, char session[SESSION_CHARS + 1],
             struct copse_error *error) {
  struct api_reply reply;
  uint8_t random[KEY_BYTES];
  char key[2 * KEY_BYTES + 1]; /* one session, however often it is asked for */
  json_t *json = copse_manifest_json(manifest);
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

  json_decref(json);
  if (!text)
    return copse_fail(error, -EINVAL, "the file's name is not UTF-8");
  randombytes_buf(random, sizeof(random));
  sodium_bin2hex(key, sizeof(key), random, sizeof(random));
  struct api_request request = {.method = "POST",
                                .path = "/v1/sessions",
                                .key = key,
                                .body = text,
                                .body_bytes = strlen(text),
                                .total_ms = SHORT_MS};
  int result = ask_any(api, &request, &reply, 201, "make a session", error);
  free(text);
  if (result < 0)
    return result;
  const char *name = json_string_value(json_object_get(reply.json, "session"));
  if (name && strlen(name) == SESSION_CHARS)
    memcpy(session, name, SESSION_CHARS + 1);
  else
    result = copse_fail(error, -EPROTO, "%s made a session without a name", pops_url(api->pops));
  api_reply_free(&reply);
  return result;
}

static int
put_leaves(struct api *api, const struct content *content, const char *session, struct copse_error *error) {
  struct api_reply reply;
  char path[96];

  snprintf(path, sizeof(path), "/v1/sessions/%s/leaves", session);
  struct api_request request = {.method = "PUT",
                                .path = path,
                                .content_type = "application/octet-stream",
                                .body = content->leaves,
                                .body_bytes = copse_manifest_blocks(&content->manifest) * sizeof(leaf_hash),
                                .total_ms = LONG_MS};
  int result = check(api, api_wait(api, &request, &reply), &reply, 204, "take the leaf hashes", error);
  api_reply_free(&reply);
  return result;
}

int
entry_create(struct api *api, const struct content *content, char session[SESSION_CHARS + 1],
             struct copse_error *error) {
  int result = post_session(api, &content->manifest, session, error);

  return result < 0 ? result : put_leaves(api, content, session, error);
}

int
entry_manifest(struct api *api, const char *session, struct copse_manifest *manifest, struct copse_error *error) {
  struct copse_error fault;
  struct api_reply reply;
  char path[96];

  snprintf(path, sizeof(path), "/v1/sessions/%s", session);
  struct api_request request = {.method = "GET", .path = path, .total_ms = SHORT_MS};
  int result = ask_any(api, &request, &reply, 200, "show the session", error);
  if (result == -ENOENT)
    return copse_fail(error, -ENOENT, "%s knows no session %s", pops_url(api->pops), session);
  if (result < 0)
    return result;
  json_t *manifest_json = json_object_get(reply.json, "manifest");
  if (copse_manifest_parse(manifest_json ? manifest_json : reply.json, manifest, NULL, &fault) < 0)
    result = copse_fail(error, -EPROTO, "%s sent a manifest that cannot be used: %s", pops_url(api->pops), fault.text);
  api_reply_free(&reply);
  return result;
}

static int
take_leaves(const struct api *api, struct content *content, const struct api_reply *reply, struct copse_error *error) {
  uint32_t blocks = copse_manifest_blocks(&content->manifest);
  uint8_t root[COPSE_HASH_BYTES];

  if (reply->bytes != blocks * sizeof(leaf_hash))
    return copse_fail(error, -EPROTO, "%s sent %zu bytes of leaf hashes instead of %zu", pops_url(api->pops),
                      reply->bytes, blocks * sizeof(leaf_hash));
  content->leaves = malloc(reply->bytes);
  if (!content->leaves)
    return copse_fail(error, -ENOMEM, "no memory");
  memcpy(content->leaves, reply->body, reply->bytes);
  if (copse_merkle_root((const leaf_hash *)content->leaves, blocks, root) < 0)
    return copse_fail(error, -ENOMEM, "no memory");
  if (memcmp(root, content->manifest.root, sizeof(root)) != 0)
    return copse_fail(error, -EBADMSG, "%s sent leaf hashes that do not belong to the session", pops_url(api->pops));
  return 0;
}

int
entry_leaves(struct api *api, const char *session, struct content *content, struct copse_error *error) {
  struct api_reply reply;
  char path[96];
  int result;

  snprintf(path, sizeof(path), "/v1/sessions/%s/leaves", session);
  struct api_request request = {.method = "GET", .path = path, .total_ms = LONG_MS};
  for (unsigned asked = 1;; asked++) {
    result = check(api, api_wait(api, &request, &reply), &reply, 200, "give the leaf hashes", error);
    if (result != -ENOENT)
      break;
    if (asked == 1)
      say("waiting for the leaf hashes of session %s", session);
    if (asked % LEAVES_LOOK == 0) {
      struct copse_manifest same;
      result = entry_manifest(api, session, &same, error);
      if (result < 0)
        return result;
    }
    api_pause(api, LEAVES_AGAIN_MS);
  }
  if (result < 0)
    return result;
  result = take_leaves(api, content, &reply, error);
  api_reply_free(&reply);
  return result;
}
