/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of etcd's gateway: the first byte says what was asked. Whatever comes, keys are text, revisions of a watch
 * never go back, and a watch that was told something is told it whole. */
#include "store/etcd_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds) {
  if (!holds)
    abort();
}

struct seen {
  uint64_t revision;
  size_t missed;
};

static void
see(void *context, const char *key, const char *value, uint64_t revision) {
  struct seen *seen = context;

  must(value == NULL || key != NULL);
  if (key == NULL)
    seen->missed++;
  else
    must(revision >= seen->revision);
  seen->revision = revision;
}

/* Lines of a stream. */
static void
watch(const char *text, size_t size) {
  struct seen seen = {0};
  struct etcd_events events = {.callback = see, .context = &seen, .prefix_bytes = 2};

  while (size > 0) {
    const char *end = memchr(text, '\n', size);
    size_t length = end == NULL ? size : (size_t)(end - text);
    int result = etcd_events_take(&events, text, length);

    must(result == 0 || result == -EBADMSG || result == -ECONNRESET || result == -ENOMEM);
    must(events.revision == seen.revision);
    text += length + (end != NULL);
    size -= length + (end != NULL);
  }
}

static void
range(const json_t *answer) {
  struct copse_values values = {0};
  int result = copse_etcd_read_values(answer, 2, &values);

  must(result == 0 || result == -EBADMSG);
  for (size_t i = 0; i < values.count; i++)
    must(values.items[i].revision > 0 && values.items[i].value != NULL);
  copse_values_free(&values);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct copse_error error = {""};
  json_t *answer;

  if (size == 0)
    return 0;
  if (data[0] == 'w') {
    watch((const char *)data + 1, size - 1);
    return 0;
  }
  answer = json_loadb((const char *)data + 1, size - 1, 0, NULL);
  if (data[0] == 'r')
    range(answer);
  else
    must(copse_etcd_read_failure(answer, 400, &error) < 0 && error.text[0] != '\0');
  copse_etcd_revision(answer);
  json_decref(answer);
  return 0;
}
