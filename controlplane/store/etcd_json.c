/* SPDX-License-Identifier: Apache-2.0 */
#include "etcd_json.h"
#include "backend.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *
base64(const void *bytes, size_t length) {
  size_t capacity = sodium_base64_ENCODED_LEN(length, sodium_base64_VARIANT_ORIGINAL);
  char *text = malloc(capacity);
  json_t *json = NULL;

  if (text != NULL) {
    sodium_bin2base64(text, capacity, bytes, length, sodium_base64_VARIANT_ORIGINAL);
    json = json_stringn_nocheck(text, capacity - 1);
  }
  free(text);
  return json;
}

/* Prefix and key as one string, allocated, with `more` bytes behind its null; null when memory is short. */
static char *
join(const char *prefix, const char *key, size_t more) {
  size_t bytes = strlen(prefix) + strlen(key) + 1;
  char *both = malloc(bytes + more);

  if (both != NULL)
    snprintf(both, bytes, "%s%s", prefix, key);
  return both;
}

static json_t *
join_base64(const char *prefix, const char *key, size_t nulls) {
  char *both = join(prefix, key, 0);
  json_t *json = both == NULL ? NULL : base64(both, strlen(both) + nulls);

  free(both);
  return json;
}

json_t *
copse_etcd_bytes(const char *prefix, const char *key) {
  return join_base64(prefix, key, 0);
}

json_t *
copse_etcd_next(const char *prefix, const char *key) {
  return join_base64(prefix, key, 1);
}

json_t *
copse_etcd_range_end(const char *prefix, const char *key) {
  size_t bytes = strlen(prefix) + strlen(key) + 1;
  char *both = join(prefix, key, bytes), *end = both + bytes;
  json_t *json = NULL;

  if (both != NULL)
    json = copse_prefix_end(both, end) ? base64(end, strlen(end)) : base64("", 1); /* a null: to the last key */
  free(both);
  return json;
}

json_t *
copse_etcd_integer(uint64_t number) {
  return json_sprintf("%llu", (unsigned long long)number);
}

uint64_t
copse_etcd_number(const json_t *message, const char *name) {
  const json_t *member = json_object_get(message, name);
  const char *text = json_string_value(member);

  if (json_is_integer(member))
    return json_integer_value(member) < 0 ? 0 : (uint64_t)json_integer_value(member);
  return text == NULL || *text < '0' || *text > '9' ? 0 : strtoull(text, NULL, 10);
}

uint64_t
copse_etcd_revision(const json_t *message) {
  return copse_etcd_number(json_object_get(message, "header"), "revision");
}

/* The bytes of a member, null terminated, allocated; what is left out is empty. Null when it is no base64. */
static char *
bytes_of(const json_t *message, const char *name, size_t *length) {
  const json_t *member = json_object_get(message, name);
  const char *text = member == NULL ? "" : json_string_value(member);
  size_t text_bytes = member == NULL ? 0 : json_string_length(member);
  size_t capacity = text_bytes / 4 * 3 + 3;
  char *bytes = text == NULL ? NULL : malloc(capacity + 1);

  if (bytes != NULL && sodium_base642bin((uint8_t *)bytes, capacity, text, text_bytes, NULL, length, NULL,
                                         sodium_base64_VARIANT_ORIGINAL) != 0) {
    free(bytes);
    return NULL;
  }
  if (bytes != NULL)
    bytes[*length] = '\0';
  return bytes;
}

int
copse_etcd_read_value(const json_t *kv, size_t prefix_bytes, struct copse_value *out) {
  size_t key_bytes, value_bytes;

  *out = (struct copse_value){.revision = copse_etcd_number(kv, "mod_revision")};
  out->key = bytes_of(kv, "key", &key_bytes);
  out->value = bytes_of(kv, "value", &value_bytes);
  if (out->key == NULL || out->value == NULL || key_bytes < prefix_bytes || out->revision == 0) {
    copse_value_free(out);
    return -EBADMSG;
  }
  memmove(out->key, out->key + prefix_bytes, key_bytes - prefix_bytes + 1);
  return 0;
}

int
copse_etcd_read_values(const json_t *answer, size_t prefix_bytes, struct copse_values *out) {
  const json_t *kv;
  size_t index;
  int result = 0;

  json_array_foreach(json_object_get(answer, "kvs"), index, kv) {
    struct copse_value value;

    result = copse_etcd_read_value(kv, prefix_bytes, &value);
    if (result == 0)
      result = copse_values_add(out, value.key, value.value, value.revision);
    copse_value_free(&value);
    if (result < 0)
      break;
  }
  return result;
}

/* Codes of gRPC (google.golang.org/grpc/codes) that the gateway puts beside the sentence. */
enum {
  GRPC_INVALID_ARGUMENT = 3,
  GRPC_DEADLINE_EXCEEDED = 4,
  GRPC_NOT_FOUND = 5,
  GRPC_PERMISSION_DENIED = 7,
  GRPC_RESOURCE_EXHAUSTED = 8,
  GRPC_OUT_OF_RANGE = 11,
  GRPC_UNAVAILABLE = 14,
  GRPC_UNAUTHENTICATED = 16,
};

static int
errno_of(uint64_t code, long status, const char *text) {
  switch (code) {
  case GRPC_NOT_FOUND:
    return -ENOENT;
  case GRPC_PERMISSION_DENIED:
  case GRPC_UNAUTHENTICATED:
    return -EACCES;
  case GRPC_RESOURCE_EXHAUSTED:
    return strstr(text, "space") != NULL ? -ENOSPC : -EBUSY;
  case GRPC_OUT_OF_RANGE:
    return strstr(text, "compacted") != NULL ? -ESTALE : -EIO;
  case GRPC_INVALID_ARGUMENT:
    if (strstr(text, "too many operations") != NULL || strstr(text, "too large") != NULL)
      return -E2BIG;
    return strstr(text, "user name") != NULL || strstr(text, "authentication") != NULL ? -EACCES : -EINVAL;
  case GRPC_DEADLINE_EXCEEDED:
  case GRPC_UNAVAILABLE:
    return -EHOSTUNREACH;
  default:
    return status >= 500 ? -EHOSTUNREACH : -EIO;
  }
}

int
copse_etcd_read_failure(const json_t *answer, long status, struct copse_error *error) {
  const char *text = json_string_value(json_object_get(answer, "message"));
  int result;

  if (text == NULL)
    text = json_string_value(json_object_get(answer, "error"));
  if (text == NULL)
    return copse_fail(error, status >= 500 ? -EHOSTUNREACH : -EPROTO, "etcd: status %ld and no sentence", status);
  result = errno_of(copse_etcd_number(answer, "code"), status, text);
  if (result == -E2BIG && strstr(text, "operations") != NULL)
    return copse_fail(error, result, "etcd: %s: --max-txn-ops must be at least its default, %d", text,
                      COPSE_STORE_OPERATIONS_MAX);
  return copse_fail(error, result, "etcd: %s", text);
}
