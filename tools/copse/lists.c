/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that show a list, and those that change what is in it. */
#include "command.h"
#include "rows.h"
#include "units.h"
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int
print_json(json_t *json, struct copse_error *error) {
  int result = json_dumpf(json, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF
                 ? 0
                 : copse_fail(error, -EIO, "the output cannot be written");

  json_decref(json);
  return result;
}

int
print_json_list(const char *name, json_t *list, struct copse_error *error) {
  return print_json(json_pack("{s:o}", name, list), error);
}

/* Keeps the items whose session begins with a prefix. */
static void
keep_session(json_t *list, const char *prefix) {
  for (size_t i = json_array_size(list); i-- > 0;)
    if (strncmp(text_of(json_array_get(list, i), "session"), prefix, strlen(prefix)) != 0)
      json_array_remove(list, i);
}

/* A list, all of it, as table or JSON; a word narrows it to a session. */
static int
show_list(struct context *context, const char *path, const char *items,
          void (*fill)(const json_t *list, const struct look *look, struct table *table), struct copse_error *error) {
  struct table table;
  json_t *list;
  int result = client_list(context->client, path, items, SIZE_MAX, &list, error);

  if (result != 0)
    return result;
  if (context->word_count > 0)
    keep_session(list, context->words[0]);
  if (context->json)
    return print_json_list(items, list, error);
  fill(list, &context->look, &table);
  table_print(&table, &context->look, SIZE_MAX, stdout);
  table_free(&table);
  json_decref(list);
  return 0;
}

/* Says that a PoP never returns. */
static int
remove_pop(struct context *context, const char *pop, struct copse_error *error) {
  char *name = curl_easy_escape(NULL, pop, 0), *path = NULL;
  json_t *answer = NULL;
  int result = name == NULL || asprintf(&path, "/v1/pops/%s", name) < 0
                 ? copse_fail(error, -ENOMEM, "no memory")
                 : client_ask(context->client, "DELETE", path, NULL, NULL, &answer, error);

  curl_free(name);
  free(path);
  if (result == 0 && context->json)
    return print_json(answer, error);
  if (result == 0)
    printf("%s is removed: %" PRIu64 " peers gone, %" PRIu64 " trees settled, %" PRIu64 " bytes charged, %" PRIu64
           " returned\n",
           pop, number_of(answer, "members"), number_of(answer, "trees"), number_of(answer, "charged_bytes"),
           number_of(answer, "returned_bytes"));
  json_decref(answer);
  return result;
}

int
run_pops(struct context *context, struct copse_error *error) {
  if (context->word_count == 0)
    return show_list(context, "/v1/pops", "pops", pops_table, error);
  if (strcmp(context->words[0], "remove") == 0 && context->word_count == 2)
    return remove_pop(context, context->words[1], error);
  return copse_fail(error, -EINVAL, "say pops, or pops remove POP");
}

int
run_sessions(struct context *context, struct copse_error *error) {
  return show_list(context, "/v1/sessions", "sessions", sessions_table, error);
}

int
run_peers(struct context *context, struct copse_error *error) {
  return show_list(context, "/v1/peers", "peers", peers_table, error);
}

int
run_drops(struct context *context, struct copse_error *error) {
  return show_list(context, "/v1/drops", "drops", drops_table, error);
}

/* ---- links ---- */

static char *
budget_path(struct context *context) {
  char *from = curl_easy_escape(NULL, context->words[1], 0), *to = curl_easy_escape(NULL, context->words[2], 0);
  char *path = NULL;

  if (from == NULL || to == NULL || asprintf(&path, "/v1/links/%s/%s/budget", from, to) < 0)
    path = NULL;
  curl_free(from);
  curl_free(to);
  return path;
}

/* The answer to a change: what trees hold may be more than they may hold now. */
static void
tell_budget(const json_t *answer) {
  const double over_bps = number_of(answer, "over_bps");

  printf("the budget is %.3f Mbit/s; trees hold %.3f", number_of(answer, "bandwidth_bps") / 1e6,
         number_of(answer, "reserved_bps") / 1e6);
  if (over_bps > 0)
    printf(", %.3f too much: they are planned anew, and 'copse links' shows when it fits", over_bps / 1e6);
  putchar('\n');
}

/* Whatever the budget is now, it becomes this; `budget_bps` null: the configuration's. */
static int
change_budget(struct context *context, const uint64_t *budget_bps, struct copse_error *error) {
  char *path = budget_path(context);
  json_t *body = budget_bps != NULL ? json_pack("{s:I}", "bandwidth_bps", (json_int_t)*budget_bps) : NULL;
  json_t *answer = NULL;
  int result = path == NULL ? copse_fail(error, -ENOMEM, "no memory")
                            : client_ask(context->client, budget_bps != NULL ? "PUT" : "DELETE", path, body,
                                         "If-Match: *", &answer, error);

  json_decref(body);
  free(path);
  if (result == 0 && context->json)
    return print_json(answer, error);
  if (result == 0)
    tell_budget(answer);
  json_decref(answer);
  return result;
}

int
run_links(struct context *context, struct copse_error *error) {
  const char *verb = context->word_count > 0 ? context->words[0] : "";
  uint64_t budget_bps;

  if (context->word_count == 0)
    return show_list(context, "/v1/links", "links", links_table, error);
  if (strcmp(verb, "set") == 0 && context->word_count == 4) {
    if (!amount_parse(context->words[3], &budget_bps))
      return copse_fail(error, -EINVAL, "'%s' is no rate such as 50M, 200k or 5e7 (bit/s)", context->words[3]);
    return change_budget(context, &budget_bps, error);
  }
  if (strcmp(verb, "reset") == 0 && context->word_count == 3)
    return change_budget(context, NULL, error);
  return copse_fail(error, -EINVAL, "say links, links set FROM TO RATE, or links reset FROM TO");
}

/* ---- credit ---- */

static int
show_account(struct context *context, struct copse_error *error) {
  char path[128];
  json_t *account = NULL, *grants = NULL, *list;
  struct table table;
  int result;

  snprintf(path, sizeof(path), "/v1/accounts/%.63s", context->words[0]);
  result = client_ask(context->client, "GET", path, NULL, NULL, &account, error);
  if (result != 0)
    return result;
  snprintf(path, sizeof(path), "/v1/accounts/%.63s/ledger", context->words[0]);
  result = client_list(context->client, path, "grants", SIZE_MAX, &grants, error);
  if (result == 0 && context->json) {
    json_object_set_new(account, "grants", grants);
    return print_json(account, error);
  }
  if (result == 0) {
    list = json_pack("[O]", account);
    accounts_table(list, &context->look, &table);
    table_print(&table, &context->look, SIZE_MAX, stdout);
    table_free(&table);
    putchar('\n');
    grants_table(grants, &context->look, &table);
    table_print(&table, &context->look, SIZE_MAX, stdout);
    table_free(&table);
    json_decref(list);
    json_decref(grants);
  }
  json_decref(account);
  return result;
}

static int
add_credit(struct context *context, struct copse_error *error) {
  char path[128];
  json_t *body, *answer = NULL;
  uint64_t bytes;
  int result;

  if (!amount_parse(context->words[2], &bytes) || bytes == 0)
    return copse_fail(error, -EINVAL, "'%s' is no number of bytes such as 10G or 5e9", context->words[2]);
  snprintf(path, sizeof(path), "/v1/accounts/%.63s/credit", context->words[1]);
  body = json_pack("{s:I}", "bytes", (json_int_t)bytes);
  result = client_ask(context->client, "POST", path, body, NULL, &answer, error);
  json_decref(body);
  json_decref(answer);
  return result;
}

/* Prints the token alone, so that it can be sent into a file. */
static int
create_account(struct context *context, struct copse_error *error) {
  json_t *body, *answer = NULL;
  uint64_t bytes = 0;
  int result;

  if (context->word_count == 3 && !amount_parse(context->words[2], &bytes))
    return copse_fail(error, -EINVAL, "'%s' is no number of bytes such as 10G or 5e9", context->words[2]);
  body = json_pack("{s:s, s:I}", "name", context->words[1], "credit_bytes", (json_int_t)bytes);
  result = client_ask(context->client, "POST", "/v1/accounts", body, NULL, &answer, error);
  json_decref(body);
  if (result == 0 && context->json)
    return print_json(answer, error);
  if (result == 0)
    puts(text_of(answer, "token"));
  json_decref(answer);
  return result;
}

static bool
is_account(const char *name) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  size_t length = strlen(name);

  return length > 0 && length <= 63 && name[strspn(name, allowed)] == '\0';
}

int
run_credit(struct context *context, struct copse_error *error) {
  const char *verb = context->word_count > 0 ? context->words[0] : "";
  bool add = strcmp(verb, "add") == 0 && context->word_count == 3;
  bool create = strcmp(verb, "create") == 0 && context->word_count > 1;
  const char *account = add || create ? context->words[1] : verb;

  if (context->word_count == 0)
    return show_list(context, "/v1/accounts", "accounts", accounts_table, error);
  if (!is_account(account))
    return copse_fail(error, -EINVAL, "'%.80s' is no name of an account", account);
  if (context->word_count == 1)
    return show_account(context, error);
  if (add)
    return add_credit(context, error);
  if (create)
    return create_account(context, error);
  return copse_fail(error, -EINVAL,
                    "say credit, credit ACCOUNT, credit add ACCOUNT BYTES, or credit create ACCOUNT [BYTES]");
}

/* ---- trees ---- */

static void
print_quoted(const char *text) {
  putchar('"');
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\')
      putchar('\\');
    putchar(*text);
  }
  putchar('"');
}

static void
print_edge(const json_t *tree, const json_t *edge, size_t number) {
  char rate[UNITS_BYTES];

  fputs("  ", stdout);
  print_quoted(text_of(edge, "from"));
  fputs(" -> ", stdout);
  print_quoted(text_of(edge, "to"));
  /* Hues a golden section apart stay distinct however many there are. */
  printf(" [label=\"%s\", color=\"%.3f 0.85 0.75\"];\n", rate_text(number_of(tree, "bps"), rate),
         (double)(number * 618 % 1000) / 1000);
}

/* All trees in one graph, an edge labelled with what its tree carries. */
static void
print_dot(const json_t *list) {
  json_t *tree, *edge;
  size_t i, j;

  puts("digraph trees {\n  node [shape=ellipse, fontname=\"sans\"];\n  edge [fontname=\"sans\", fontsize=9, "
       "penwidth=1.5];");
  json_array_foreach((json_t *)list, i, tree) {
    if (json_array_size(json_object_get(tree, "edges")) > 0) {
      fputs("  ", stdout);
      print_quoted(text_of(tree, "root"));
      puts(" [style=bold];");
    }
    json_array_foreach(json_object_get(tree, "edges"), j, edge) {
      print_edge(tree, edge, i);
    }
  }
  puts("}");
}

int
run_trees(struct context *context, struct copse_error *error) {
  json_t *list;
  int result;

  if (!context->dot)
    return show_list(context, "/v1/trees", "trees", trees_table, error);
  result = client_list(context->client, "/v1/trees", "trees", SIZE_MAX, &list, error);
  if (result != 0)
    return result;
  if (context->word_count > 0)
    keep_session(list, context->words[0]);
  print_dot(list);
  json_decref(list);
  return 0;
}
