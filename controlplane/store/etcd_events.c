/* SPDX-License-Identifier: Apache-2.0 */
/* What a watch's stream says, line by line: changes whole revision by whole revision, in order. A revision that comes
 * twice is dropped. One that comes late cannot be put in order any more: whoever watches must list again. */
#include "etcd_internal.h"
#include <errno.h>
#include <string.h>

static bool
is_recent(const struct etcd_events *events, uint64_t revision) {
  for (size_t i = 0; i < events->recent_count && i < ETCD_RECENT; i++)
    if (events->recent[i] == revision)
      return true;
  return false;
}

static void
remember(struct etcd_events *events, uint64_t revision) {
  if (revision != events->revision)
    events->recent[events->recent_count++ % ETCD_RECENT] = revision;
  events->revision = revision;
}

void
etcd_events_skip(struct etcd_events *events, uint64_t revision) {
  events->revision = revision;
  events->recent_count = 0;
  events->callback(events->context, NULL, NULL, revision);
}

static int
take_events(struct etcd_events *events, const json_t *list) {
  uint64_t before = events->revision;
  const json_t *event;
  size_t index;
  bool late = false;

  json_array_foreach(list, index, event) {
    const char *type = json_string_value(json_object_get(event, "type"));
    bool gone = type != NULL && strcmp(type, "DELETE") == 0;
    struct copse_value change;
    int result = copse_etcd_read_value(json_object_get(event, "kv"), events->prefix_bytes, &change);

    if (result < 0)
      return result;
    if (change.revision > before && change.revision >= events->revision) {
      remember(events, change.revision);
      events->delivered++;
      events->callback(events->context, change.key, gone ? NULL : change.value, change.revision);
    } else {
      late |= !is_recent(events, change.revision);
    }
    copse_value_free(&change);
  }
  if (late)
    etcd_events_skip(events, events->revision);
  return 0;
}

/* The end of a watch: what it asked for is compacted away, or the server has its reasons. */
static int
take_end(struct etcd_events *events, const json_t *message) {
  uint64_t compacted = copse_etcd_number(message, "compact_revision");

  if (compacted > events->revision + 1)
    etcd_events_skip(events, compacted - 1);
  return -ECONNRESET;
}

int
etcd_events_take(struct etcd_events *events, const char *line, size_t length) {
  json_t *json = length == 0 ? NULL : json_loadb(line, length, 0, NULL);
  const json_t *message = json_object_get(json, "result");
  int result = json_is_object(message) ? take_events(events, json_object_get(message, "events")) : -EBADMSG;

  if (result == 0 && json_is_true(json_object_get(message, "canceled")))
    result = take_end(events, message);
  json_decref(json);
  return result;
}
