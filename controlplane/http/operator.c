/* SPDX-License-Identifier: Apache-2.0 */
/* What operators look at: health, metrics, topology, changes. */
#include "handlers.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
copse_handle_health(struct copse_call *call) {
  if (!copse_control_healthy(call->api->control)) {
    copse_reply_fail(call, 503, NULL, "the store or the dataplane is away");
    return;
  }
  copse_reply_json(call, 200, json_pack("{s:s, s:s}", "status", "ok", "pop", copse_control_pop(call->api->control)));
}

void
copse_handle_metrics(struct copse_call *call) {
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  if (out != NULL)
    copse_control_metrics(call->api->control, out);
  if (out == NULL || fclose(out) != 0) {
    free(text);
    copse_reply_fail(call, 500, NULL, "no memory");
    return;
  }
  call->reply = (struct copse_reply){
    .answer.status = 200, .bytes = text, .length = length, .content_type = "text/plain; version=0.0.4; charset=utf-8"};
}

/* The name between two slashes, or before the end, of a key. */
static json_t *
name_at(const char *text) {
  return json_stringn(text, strcspn(text, "/"));
}

/* Lists a prefix and lets `add` put each record into `out`. 0 or a negative errno. */
static int
for_each(struct copse_call *call, const char *prefix, int (*add)(json_t *out, const char *name, json_t *record),
         json_t *out) {
  struct copse_values values;
  int result = copse_store_list(copse_control_store(call->api->control), prefix, &values);

  if (result != 0)
    return result;
  for (size_t i = 0; result == 0 && i < values.count; i++) {
    json_t *record = json_loads(values.items[i].value, 0, NULL);
    if (json_is_object(record))
      result = add(out, values.items[i].key + strlen(prefix), record);
    json_decref(record);
  }
  copse_values_free(&values);
  return result;
}

/* A link's end that has no living record is a PoP all the same. */
static int
add_pop(json_t *pops, const char *name, json_t *record) {
  json_t *pop =
    json_pack("{s:o, s:O*, s:O*, s:O*, s:b}", "name", name_at(name), "address", json_object_get(record, "address"),
              "port", json_object_get(record, "port"), "api", json_object_get(record, "api"), "alive", record != NULL);

  return json_object_setn_new(pops, name, strcspn(name, "/"), pop) == 0 ? 0 : -ENOMEM;
}

static int
add_link(json_t *links, const char *name, json_t *record) {
  const char *to = strchr(name, '/');
  json_t *link;

  if (to == NULL)
    return 0;
  link = json_pack("{s:o, s:o, s:O*, s:i, s:O*}", "from", name_at(name), "to", name_at(to + 1), "bandwidth_bps",
                   json_object_get(record, "bandwidth_bps"), "reserved_bps", 0, "delay_ms",
                   json_object_get(record, "delay_ms"));
  return json_object_set_new(links, name, link) == 0 ? 0 : -ENOMEM;
}

/* Sums what trees hold on a link. */
static int
add_reserved(json_t *links, const char *name, json_t *record) {
  json_t *link = json_object_get(links, name);
  json_int_t sum = 0;
  const char *tree;
  json_t *rate;

  json_object_foreach(record, tree, rate) {
    sum += json_integer_value(rate);
  }
  return link == NULL || json_object_set_new(link, "reserved_bps", json_integer(sum)) == 0 ? 0 : -ENOMEM;
}

static int
add_ends(json_t *pops, json_t *links) {
  const char *name;
  json_t *link;

  json_object_foreach(links, name, link) {
    const char *ends[] = {name, strchr(name, '/') + 1};
    for (int i = 0; i < 2; i++)
      if (json_object_getn(pops, ends[i], strcspn(ends[i], "/")) == NULL && add_pop(pops, ends[i], NULL) != 0)
        return -ENOMEM;
  }
  return 0;
}

static json_t *
values_of(json_t *object) {
  json_t *array = json_array();
  const char *name;
  json_t *value;

  json_object_foreach(object, name, value) {
    json_array_append(array, value);
  }
  return array;
}

void
copse_handle_topology(struct copse_call *call) {
  json_t *pops = json_object();
  json_t *links = json_object();
  int result = for_each(call, "/pops/", add_pop, pops);

  if (result == 0)
    result = for_each(call, "/links/", add_link, links);
  if (result == 0)
    result = for_each(call, "/reserved/", add_reserved, links);
  if (result == 0)
    result = add_ends(pops, links);
  if (result == 0)
    copse_reply_json(call, 200, json_pack("{s:o, s:o}", "pops", values_of(pops), "links", values_of(links)));
  else
    copse_reply_store(call, result);
  json_decref(pops);
  json_decref(links);
}

static bool
read_revision(struct copse_call *call, uint64_t *revision) {
  size_t length = strlen(call->after);

  errno = 0;
  *revision = strtoull(call->after, NULL, 10);
  if (length == 0 || strspn(call->after, "0123456789") != length || errno != 0) {
    copse_reply_fail(call, 400, "after", "after: must be a revision");
    return false;
  }
  return true;
}

void
copse_handle_events(struct copse_call *call) {
  const struct copse_events *events = call->api->events;
  uint64_t revision = copse_events_revision(events);
  json_t *list;
  bool stale;

  if (call->after != NULL && !read_revision(call, &revision))
    return;
  list = copse_events_after(events, revision, &stale);
  if (stale) {
    copse_reply_fail(call, 410, "after", "after: changes that old are not kept: begin again without it, then list");
  } else if (list != NULL && json_array_size(list) == 0 && call->after != NULL && !call->waited) {
    json_decref(list); /* status 0: wait for a change */
  } else {
    copse_reply_json(
      call, 200,
      list == NULL ? NULL
                   : json_pack("{s:I, s:o}", "revision", (json_int_t)copse_events_revision(events), "events", list));
  }
}
