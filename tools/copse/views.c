/* SPDX-License-Identifier: Apache-2.0 */
/* status, why, events, config. */
#include "command.h"
#include "rows.h"
#include "units.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- status ---- */

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

/* ---- why ---- */

int
run_why(struct context *context, struct copse_error *error) {
  const char *id = context->word_count == 1 ? context->words[0] : "", *name;
  char path[64];
  json_t *why = NULL, *number;
  int result;

  if (strlen(id) != 16 || strspn(id, "0123456789abcdef") != 16)
    return copse_fail(error, -EINVAL, "why needs a tree or a peer: 16 hexadecimal digits, as in trees and peers");
  snprintf(path, sizeof(path), "/v1/why/%s", id);
  result = client_ask(context->client, "GET", path, NULL, NULL, &why, error);
  if (result != 0)
    return result;
  if (context->json)
    return print_json(why, error);
  char *text = printable(text_of(why, "text"));
  printf("%s %s: %s%s%s\n%s\n\n", text_of(why, "kind"), id, style_begin(&context->look, STYLE_HEAD),
         text_of(why, "verdict"), style_end(&context->look, STYLE_HEAD), text);
  free(text);
  json_object_foreach(json_object_get(why, "numbers"), name, number) {
    size_t length = strlen(name);
    char units[UNITS_BYTES + 8];
    uint64_t value = (uint64_t)json_integer_value(number);

    if (json_is_integer(number))
      printf("  %-22s %s\n", name,
             length >= 3 && strcmp(name + length - 3, "bps") == 0 ? rate_text(value, units) : count_text(value, units));
    else if (json_is_real(number))
      printf("  %-22s %.1f %%\n", name, 100 * json_real_value(number));
    else
      printf("  %-22s %s\n", name, json_string_value(number) != NULL ? json_string_value(number) : "");
  }
  json_decref(why);
  return 0;
}

/* ---- events ---- */

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

/* ---- config check ---- */

/* Which program a configuration is for, by the first key at its top that only one of them has. */
static const char *
program_of(const char *path, struct copse_error *error) {
  static const char *const keys[][2] = {{"pop", "copse-controlplane"},   {"block_address", "copse-controlplane"},
                                        {"ports", "copse-dataplane"},    {"api_socket", "copse-dataplane"},
                                        {"address4", "copse-dataplane"}, {"address6", "copse-dataplane"},
                                        {"session", "copse-trees"},      {"endpoint", "copse"},
                                        {"token_file", "copse"}};
  const char *program = NULL;
  char line[512];
  FILE *file = fopen(path, "re");

  if (file == NULL) {
    copse_fail(error, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    return NULL;
  }
  while (program == NULL && fgets(line, sizeof(line), file) != NULL)
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && program == NULL; i++) {
      size_t length = strlen(keys[i][0]);
      const char *rest = strncmp(line, keys[i][0], length) == 0 ? line + length + strspn(line + length, " \t") : "";

      if (*rest == '=' || *rest == ':')
        program = keys[i][1];
    }
  fclose(file);
  if (program == NULL)
    copse_fail(
      error, -EINVAL,
      "%s: neither a control plane's nor a dataplane's configuration: no line begins with pop = or ports =", path);
  return program;
}

/* The program itself reads its configuration; what it prints is the answer. */
static int
check_with(const char *program, const char *path, struct copse_error *error) {
  pid_t child = fork();
  int status;

  if (child < 0)
    return copse_fail(error, -errno, "%s cannot be started: %s", program, strerror(errno));
  if (child == 0) {
    if (strcmp(program, "copse-controlplane") == 0)
      execlp(program, program, "--check", "--config", path, (char *)NULL);
    else if (strcmp(program, "copse-dataplane") == 0)
      execlp(program, program, "--check", path, (char *)NULL);
    else
      execlp("sh", "sh", "-c", "exec copse-trees \"$1\" >/dev/null", "sh", path, (char *)NULL);
    _exit(127);
  }
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      return copse_fail(error, -errno, "%s is lost: %s", program, strerror(errno));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return copse_fail(error, -ESRCH, "%s, which could check it, is not in PATH", program);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return copse_fail(error, -EINVAL, "%s: %s refuses it", path, program);
  return 0;
}

static int
check_own(const char *path, struct copse_error *error) {
  struct settings settings = {.endpoint = NULL};
  int result = settings_read_file(&settings, path, NULL, error);

  settings_free(&settings);
  return result;
}

int
run_config(struct context *context, struct copse_error *error) {
  const char *path = context->word_count == 2 ? context->words[1] : "", *program;
  int result;

  if (context->word_count != 2 || strcmp(context->words[0], "check") != 0)
    return copse_fail(error, -EINVAL, "say config check FILE");
  program = program_of(path, error);
  if (program == NULL)
    return -EINVAL;
  result = strcmp(program, "copse") == 0 ? check_own(path, error) : check_with(program, path, error);
  if (result != 0)
    return result;
  if (context->json)
    return print_json(json_pack("{s:b, s:s, s:s}", "valid", 1, "program", program, "file", path), error);
  printf("%s: %s takes it\n", path, program);
  return 0;
}
