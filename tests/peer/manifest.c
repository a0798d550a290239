/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors were computed with Python's hashlib from the definition in BEP 52; random trees are compared with a second
 * implementation here: padded to a power of two, recursive, with libsodium's SHA-256. */
#include <copse/manifest.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 16384U
#define ROOT "4f06ab5d81301a6be8740291d8491edb35843daecf491a50c4d22d92eaf9acbc"

static void
hex_of(const uint8_t hash[COPSE_HASH_BYTES], char out[2 * COPSE_HASH_BYTES + 1]) {
  sodium_bin2hex(out, 2 * COPSE_HASH_BYTES + 1, hash, COPSE_HASH_BYTES);
}

static void
root_of_pattern(size_t bytes, char out[2 * COPSE_HASH_BYTES + 1]) {
  uint8_t leaves[8][COPSE_HASH_BYTES], block[BLOCK], root[COPSE_HASH_BYTES];
  uint32_t count = 0;

  for (size_t at = 0; at < bytes; at += BLOCK) {
    size_t length = bytes - at < BLOCK ? bytes - at : BLOCK;
    for (size_t i = 0; i < length; i++)
      block[i] = (uint8_t)((at + i) * 7 + (at + i) / 251);
    copse_hash(block, length, leaves[count++]);
  }
  cr_assert(eq(int, copse_merkle_root(leaves, count, root), 0));
  hex_of(root, out);
}

Test(manifest, hash_of_abc) {
  uint8_t hash[COPSE_HASH_BYTES];
  char text[2 * COPSE_HASH_BYTES + 1];

  copse_hash("abc", 3, hash);
  hex_of(hash, text);
  cr_expect(eq(str, text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

Test(manifest, root_of_known_files) {
  static const struct {
    size_t bytes;
    const char *root;
  } cases[] = {
    {1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {16384, "15345b8bcf83c9acd70121ebacc0aae2b90b2995b90a5143382a4f29fd125083"},
    {16385, "4f06ab5d81301a6be8740291d8491edb35843daecf491a50c4d22d92eaf9acbc"},
    {81920, "bf4e89cade8270cc7692de6d6ac11bde9697f70d0afe7ecf54cdf95d677e74b3"},
    {50000, "8c818dded825a0577503d527522e83f824ce2e63d418ce70b76feb36b5c9ea13"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char root[2 * COPSE_HASH_BYTES + 1];
    root_of_pattern(cases[i].bytes, root);
    cr_expect(eq(str, root, (char *)cases[i].root), "%zu bytes", cases[i].bytes);
  }
}

/* Root of `width` (a power of two) leaves from `first`; leaves from `count` on are zero. */
static void
recursive_root(const uint8_t (*leaves)[COPSE_HASH_BYTES], uint32_t count, uint32_t first, uint32_t width,
               uint8_t out[COPSE_HASH_BYTES]) {
  uint8_t pair[2 * COPSE_HASH_BYTES] = {0};

  if (width == 1) {
    memcpy(out, first < count ? leaves[first] : pair, COPSE_HASH_BYTES);
    return;
  }
  recursive_root(leaves, count, first, width / 2, pair);
  recursive_root(leaves, count, first + width / 2, width / 2, pair + COPSE_HASH_BYTES);
  crypto_hash_sha256(out, pair, sizeof(pair));
}

Test(manifest, root_of_any_number_of_leaves) {
  static uint8_t leaves[700][COPSE_HASH_BYTES];
  uint8_t root[COPSE_HASH_BYTES], expected[COPSE_HASH_BYTES];

  randombytes_buf(leaves, sizeof(leaves));
  for (uint32_t count = 1; count <= 700; count += count < 70 ? 1 : 45) {
    uint32_t width = 1;
    while (width < count)
      width *= 2;
    recursive_root(leaves, count, 0, width, expected);
    cr_assert(eq(int, copse_merkle_root(leaves, count, root), 0));
    cr_assert(eq(int, memcmp(root, expected, sizeof(root)), 0), "%u leaves", count);
  }
}

static int
parse(const char *text, struct copse_manifest *manifest, const char **field) {
  struct copse_error error;
  json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);
  int status = copse_manifest_parse(json, manifest, field, &error);

  if (status < 0)
    cr_expect(gt(sz, strlen(error.text), 0), "a refused manifest gets a sentence: %s", text);
  json_decref(json);
  return status;
}

Test(manifest, there_and_back) {
  struct copse_manifest manifest, again;
  const char *field;

  cr_assert(eq(int,
               parse("{\"name\":\"\u00fcbung 1.iso\",\"size\":50000000,\"block_bytes\":16384,\"root\":\"" ROOT "\"}",
                     &manifest, &field),
               0));
  cr_expect(eq(str, manifest.name, "\u00fcbung 1.iso"));
  cr_expect(eq(u64, manifest.size, 50000000));
  cr_expect(eq(u32, copse_manifest_blocks(&manifest), 3052));
  json_t *json = copse_manifest_json(&manifest);
  cr_expect(eq(str, (char *)json_string_value(json_object_get(json, "root")), ROOT));
  cr_assert(eq(int, copse_manifest_parse(json, &again, NULL, NULL), 0));
  cr_expect(eq(int, memcmp(&manifest, &again, sizeof(again)), 0));
  json_decref(json);
}

Test(manifest, number_of_blocks) {
  struct copse_manifest manifest = {.block_bytes = BLOCK};
  static const struct {
    uint64_t size;
    uint32_t blocks;
  } cases[] = {{1, 1}, {BLOCK, 1}, {BLOCK + 1, 2}, {2 * BLOCK, 2}, {COPSE_MANIFEST_SIZE_MAX, 524288}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    manifest.size = cases[i].size;
    cr_expect(eq(u32, copse_manifest_blocks(&manifest), cases[i].blocks));
  }
}

#define REST ",\"size\":1,\"block_bytes\":16384,\"root\":\"" ROOT "\"}"

Test(manifest, refuses_with_the_field) {
  static const struct {
    const char *text, *field;
  } cases[] = {
    {"[]", NULL},
    {"{\"size\":1}", "name"},
    {"{\"name\":7" REST, "name"},
    {"{\"name\":\"\"" REST, "name"},
    {"{\"name\":\".\"" REST, "name"},
    {"{\"name\":\"..\"" REST, "name"},
    {"{\"name\":\"a/b\"" REST, "name"},
    {"{\"name\":\"/etc/passwd\"" REST, "name"},
    {"{\"name\":\"a\\u0000b\"" REST, "name"},
    {"{\"name\":\"a\\nb\"" REST, "name"},
    {"{\"name\":\"\\u001b[2J\"" REST, "name"},
    {"{\"name\":\"a\\u007f\"" REST, "name"},
    {"{\"name\":\"a\\u009b2J\"" REST, "name"},
    {"{\"name\":\"a\",\"size\":0,\"block_bytes\":16384,\"root\":\"" ROOT "\"}", "size"},
    {"{\"name\":\"a\",\"size\":-1,\"block_bytes\":16384,\"root\":\"" ROOT "\"}", "size"},
    {"{\"name\":\"a\",\"size\":1.5,\"block_bytes\":16384,\"root\":\"" ROOT "\"}", "size"},
    {"{\"name\":\"a\",\"size\":\"1\",\"block_bytes\":16384,\"root\":\"" ROOT "\"}", "size"},
    {"{\"name\":\"a\",\"size\":8589934593,\"block_bytes\":16384,\"root\":\"" ROOT "\"}", "size"},
    {"{\"name\":\"a\",\"size\":1,\"block_bytes\":16385,\"root\":\"" ROOT "\"}", "block_bytes"},
    {"{\"name\":\"a\",\"size\":1,\"root\":\"" ROOT "\"}", "block_bytes"},
    {"{\"name\":\"a\",\"size\":1,\"block_bytes\":16384}", "root"},
    {"{\"name\":\"a\",\"size\":1,\"block_bytes\":16384,\"root\":\"12\"}", "root"},
    {"{\"name\":\"a\",\"size\":1,\"block_bytes\":16384,\"root\":\"" ROOT "00\"}", "root"},
    {"{\"name\":\"a\",\"size\":1,\"block_bytes\":16384,"
     "\"root\":\"gf06ab5d81301a6be8740291d8491edb35843daecf491a50c4d22d92eaf9acbc\"}",
     "root"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct copse_manifest manifest, before;
    const char *field = "unset";
    memset(&manifest, 0x5a, sizeof(manifest));
    before = manifest;
    cr_expect(eq(int, parse(cases[i].text, &manifest, &field), -EINVAL), "%s", cases[i].text);
    cr_expect(eq(int, memcmp(&manifest, &before, sizeof(before)), 0), "bad input changes nothing: %s", cases[i].text);
    if (cases[i].field)
      cr_expect(eq(str, (char *)field, (char *)cases[i].field), "%s", cases[i].text);
    else
      cr_expect(eq(ptr, (void *)field, NULL));
  }
}

Test(manifest, longest_name) {
  struct copse_manifest manifest;
  char text[600];

  for (int length = 255; length <= 256; length++) {
    char name[257] = "";
    memset(name, 'n', (size_t)length);
    snprintf(text, sizeof(text), "{\"name\":\"%s\"" REST, name);
    cr_expect(eq(int, parse(text, &manifest, NULL), length == 255 ? 0 : -EINVAL));
  }
}
