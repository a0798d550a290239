/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the store, from the stream the API has for them. */
#include "command.h"
#include "rows.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct watching {
  const struct context *context;
  unsigned long seen;
  char id[32], kind[16];
  bool stale;
};

static bool
print_event(struct watching *watching, const char *data) {
  json_t *json = json_loads(data, 0, NULL);
  char *key = printable(text_of(json, "key"));

  if (strcmp(watching->kind, "stale") == 0) {
    watching->stale = true;
  } else if (watching->context->json) {
    json_object_set_new(json, "type", json_string(watching->kind));
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
  } else {
    printf("%-6s %s\n", watching->kind, key);
  }
  fflush(stdout);
  free(key);
  json_decref(json);
  watching->seen++;
  return !watching->stale && !ferror(stdout) && watching->seen != watching->context->count;
}

static bool
take_line(void *context, const char *line) {
  struct watching *watching = context;

  if (strncmp(line, "id: ", 4) == 0)
    snprintf(watching->id, sizeof(watching->id), "%s", line + 4);
  else if (strncmp(line, "event: ", 7) == 0)
    snprintf(watching->kind, sizeof(watching->kind), "%s", line + 7);
  else if (strncmp(line, "data: ", 6) == 0)
    return print_event(watching, line + 6);
  return true;
}

int
run_events(struct context *context, struct copse_error *error) {
  struct watching watching = {.context = context};
  unsigned failures = 0;
  int result;

  /* A stream that ends is taken up where it ended. */
  do {
    unsigned long before = watching.seen;

    result = client_follow(context->client, watching.id, take_line, &watching, error);
    failures = watching.seen > before ? 0 : failures + 1;
    if (result == 0 && watching.seen != context->count && !watching.stale)
      sleep(1);
  } while ((result == 0 || (result == -ENOTCONN && watching.id[0] != '\0')) && failures < 30 && !watching.stale &&
           (context->count == 0 || watching.seen < context->count) && !ferror(stdout));
  if (watching.stale)
    return copse_fail(error, -ESTALE, "changes came faster than they could be taken; some are missing");
  return result;
}
