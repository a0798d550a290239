/* SPDX-License-Identifier: Apache-2.0 */
#include <copse/manifest.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define BLOCK_BYTES 16384

uint32_t
copse_manifest_blocks(const struct copse_manifest *manifest) {
  return (uint32_t)((manifest->size + manifest->block_bytes - 1) / manifest->block_bytes);
}

/* True for C0, DEL and C1 (U+0080 to U+009F, in UTF-8 C2 80 to C2 9F), which terminals act upon. */
static bool
is_control(const unsigned char *at) {
  return at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f);
}

/* What is wrong with a name, null if nothing: it becomes a file on other people's machines. */
static const char *
name_fault(const char *name, size_t length) {
  if (length == 0)
    return "must not be empty";
  if (length >= COPSE_MANIFEST_NAME_BYTES)
    return "must be at most 255 bytes";
  if (strlen(name) != length)
    return "must not contain NUL";
  if (!strcmp(name, ".") || !strcmp(name, ".."))
    return "must be a file name";
  for (const unsigned char *at = (const unsigned char *)name; *at; at++) {
    if (*at == '/')
      return "must be a file name, not a path";
    if (is_control(at))
      return "must not contain control characters";
  }
  return NULL;
}

static int
hex_digit(char digit) {
  if (digit >= '0' && digit <= '9')
    return digit - '0';
  if (digit >= 'a' && digit <= 'f')
    return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F')
    return digit - 'A' + 10;
  return -1;
}

static bool
hash_from_hex(const json_t *json, uint8_t hash[COPSE_HASH_BYTES]) {
  const char *text = json_string_value(json);

  if (!text || json_string_length(json) != 2UL * COPSE_HASH_BYTES)
    return false;
  for (size_t i = 0; i < COPSE_HASH_BYTES; i++) {
    int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    hash[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}

static int
wrong(const char **field, const char *name, const char *sentence, struct copse_error *error) {
  if (field)
    *field = name;
  return copse_fail(error, -EINVAL, "%s: %s", name, sentence);
}

int
copse_manifest_parse(const json_t *json, struct copse_manifest *manifest, const char **field,
                     struct copse_error *error) {
  const json_t *name = json_object_get(json, "name"), *size = json_object_get(json, "size"),
               *block_bytes = json_object_get(json, "block_bytes");
  struct copse_manifest parsed = {.block_bytes = BLOCK_BYTES};

  if (field)
    *field = NULL;
  if (!json_is_object(json))
    return copse_fail(error, -EINVAL, "the manifest must be a JSON object");
  if (!json_is_string(name))
    return wrong(field, "name", "must be a string", error);
  const char *fault = name_fault(json_string_value(name), json_string_length(name));
  if (fault)
    return wrong(field, "name", fault, error);
  if (!json_is_integer(size) || json_integer_value(size) <= 0)
    return wrong(field, "size", "must be a positive integer of bytes", error);
  if ((uint64_t)json_integer_value(size) > COPSE_MANIFEST_SIZE_MAX)
    return wrong(field, "size", "must be at most 8 GiB", error);
  if (!json_is_integer(block_bytes) || json_integer_value(block_bytes) != BLOCK_BYTES)
    return wrong(field, "block_bytes", "must be 16384", error);
  if (!hash_from_hex(json_object_get(json, "root"), parsed.root))
    return wrong(field, "root", "must be 64 hexadecimal digits", error);
  memcpy(parsed.name, json_string_value(name), json_string_length(name));
  parsed.size = (uint64_t)json_integer_value(size);
  *manifest = parsed;
  return 0;
}

json_t *
copse_manifest_json(const struct copse_manifest *manifest) {
  char root[2 * COPSE_HASH_BYTES + 1] = "";

  for (size_t i = 0; i < COPSE_HASH_BYTES; i++) {
    root[2 * i] = "0123456789abcdef"[manifest->root[i] >> 4];
    root[2 * i + 1] = "0123456789abcdef"[manifest->root[i] & 15];
  }
  return json_pack("{s:s, s:I, s:i, s:s}", "name", manifest->name, "size", (json_int_t)manifest->size, "block_bytes",
                   (int)manifest->block_bytes, "root", root);
}
