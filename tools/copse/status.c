/* SPDX-License-Identifier: Apache-2.0 */
/* Is all well? Counts over the lists of everything. */
#include "command.h"
#include "rows.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct summary {
  size_t pops, pops_alive, sessions, sessions_open, trees, trees_ok, peers, peers_done, links, links_full;
  uint64_t drops_pps;
};

static size_t
count_true(const json_t *list, const char *name) {
  size_t count = 0, i;
  json_t *item;

  json_array_foreach((json_t *)list, i, item) {
    count += json_is_true(json_object_get(item, name));
  }
  return count;
}

static size_t
count_text_equal(const json_t *list, const char *name, const char *text) {
  size_t count = 0, i;
  json_t *item;

  json_array_foreach((json_t *)list, i, item) {
    count += strcmp(text_of(item, name), text) == 0;
  }
  return count;
}

/* The lists of everything, by name. */
static int
gather(struct context *context, json_t **all, struct copse_error *error) {
  static const char *const names[] = {"pops", "links", "sessions", "trees", "peers"};
  int result = 0;

  *all = json_object();
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && result == 0; i++) {
    char path[32];
    json_t *list;

    snprintf(path, sizeof(path), "/v1/%s", names[i]);
    result = client_list(context->client, path, names[i], SIZE_MAX, &list, error);
    if (result == 0)
      json_object_set_new(*all, names[i], list);
  }
  return result;
}

static struct summary
summarize(const json_t *all) {
  const json_t *pops = json_object_get(all, "pops"), *links = json_object_get(all, "links");
  const json_t *sessions = json_object_get(all, "sessions"), *trees = json_object_get(all, "trees");
  const json_t *peers = json_object_get(all, "peers");
  struct summary summary = {.pops = json_array_size(pops),
                            .pops_alive = count_true(pops, "alive"),
                            .links = json_array_size(links),
                            .sessions = json_array_size(sessions),
                            .sessions_open = count_text_equal(sessions, "state", "open"),
                            .trees = json_array_size(trees),
                            .trees_ok = count_text_equal(trees, "status", "ok"),
                            .peers = json_array_size(peers),
                            .peers_done = count_true(peers, "done")};
  json_t *item;
  size_t i;

  json_array_foreach((json_t *)links, i, item) {
    summary.links_full += share_of(number_of(item, "bps"), number_of(item, "bandwidth_bps")) >= 0.9;
  }
  json_array_foreach((json_t *)pops, i, item) {
    summary.drops_pps += number_of(item, "drops_pps");
  }
  return summary;
}

static json_t *
summary_json(const struct summary *s, const json_t *health, const char *trouble) {
  json_t *json = json_pack(
    "{s:b, s:{s:I, s:I}, s:{s:I, s:I}, s:{s:I, s:I}, s:{s:I, s:I}, s:{s:I, s:I}, s:I}", "healthy", trouble == NULL,
    "pops", "all", (json_int_t)s->pops, "alive", (json_int_t)s->pops_alive, "links", "all", (json_int_t)s->links,
    "full", (json_int_t)s->links_full, "sessions", "all", (json_int_t)s->sessions, "open", (json_int_t)s->sessions_open,
    "trees", "all", (json_int_t)s->trees, "ok", (json_int_t)s->trees_ok, "peers", "all", (json_int_t)s->peers, "done",
    (json_int_t)s->peers_done, "drops_pps", (json_int_t)s->drops_pps);

  json_object_set_new(json, "pop", json_string(text_of(health, "pop")));
  if (trouble != NULL)
    json_object_set_new(json, "trouble", json_string(trouble));
  return json;
}

static void
print_line(const struct look *look, const char *what, enum style style, const char *value) {
  printf("%-9s %s%s%s\n", what, style_begin(look, style), value, style_end(look, style));
}

static void
print_summary(struct context *context, const struct summary *s, const json_t *health, const char *trouble) {
  char *pop = printable(text_of(health, "pop"));
  char line[512];

  snprintf(line, sizeof(line), "%s at %s", trouble != NULL ? trouble : "healthy", context->settings->endpoint);
  print_line(&context->look, trouble != NULL ? "PoP" : pop, trouble != NULL ? STYLE_BAD : STYLE_GOOD, line);
  snprintf(line, sizeof(line), "%zu of %zu alive", s->pops_alive, s->pops);
  print_line(&context->look, "PoPs", s->pops_alive < s->pops ? STYLE_WARNING : STYLE_PLAIN, line);
  snprintf(line, sizeof(line), "%zu, %zu nearly full", s->links, s->links_full);
  print_line(&context->look, "links", s->links_full > 0 ? STYLE_WARNING : STYLE_PLAIN, line);
  snprintf(line, sizeof(line), "%zu open, %zu finished", s->sessions_open, s->sessions - s->sessions_open);
  print_line(&context->look, "sessions", STYLE_PLAIN, line);
  snprintf(line, sizeof(line), "%zu of %zu areas have one", s->trees_ok, s->trees);
  print_line(&context->look, "trees", STYLE_PLAIN, line);
  snprintf(line, sizeof(line), "%zu, %zu have everything", s->peers, s->peers_done);
  print_line(&context->look, "peers", STYLE_PLAIN, line);
  snprintf(line, sizeof(line), "%llu a second that somebody may miss", (unsigned long long)s->drops_pps);
  print_line(&context->look, "drops", s->drops_pps > 0 ? STYLE_WARNING : STYLE_PLAIN, line);
  free(pop);
}

int
run_status(struct context *context, struct copse_error *error) {
  struct copse_error trouble = {.text = ""};
  json_t *health = NULL, *all = NULL;
  struct summary summary;
  int result = client_ask(context->client, "GET", "/healthz", NULL, NULL, &health, &trouble);

  if (result == -ENOTCONN)
    return copse_fail(error, result, "%s", trouble.text);
  if (gather(context, &all, error) == 0) {
    summary = summarize(all);
    if (context->json)
      print_json(summary_json(&summary, health, result != 0 ? trouble.text : NULL), error);
    else
      print_summary(context, &summary, health, result != 0 ? trouble.text : NULL);
    if (result != 0)
      copse_fail(error, result, "%s", trouble.text);
  } else {
    result = -EIO;
  }
  json_decref(health);
  json_decref(all);
  return result;
}
