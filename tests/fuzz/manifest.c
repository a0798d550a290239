/* SPDX-License-Identifier: Apache-2.0 */
/* Text → JSON → manifest → JSON → manifest: what is accepted is safe to use as a file name, and comes back equal. */
#include <copse/manifest.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int holds) {
  if (!holds)
    abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct copse_manifest manifest, again;
  struct copse_error error;
  const char *field;
  json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

  if (json && !copse_manifest_parse(json, &manifest, &field, &error)) {
    must(manifest.name[0] && !strchr(manifest.name, '/'));
    must(strcmp(manifest.name, ".") != 0 && strcmp(manifest.name, "..") != 0);
    must(copse_manifest_blocks(&manifest) > 0);
    json_t *written = copse_manifest_json(&manifest);
    must(written && !copse_manifest_parse(written, &again, &field, &error));
    must(!memcmp(&manifest, &again, sizeof(again)));
    json_decref(written);
  }
  json_decref(json);
  return 0;
}
