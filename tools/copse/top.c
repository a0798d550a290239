/* SPDX-License-Identifier: Apache-2.0 */
/* copse top: what happens, at a glance, once a second, in the size the terminal has then. While the control plane does
 * not answer the last picture stays, and says so. */
#include "command.h"
#include "rows.h"
#include "screen.h"
#include "units.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ITEMS_MAX 1000   /* of a list; more do not fit any screen */
#define EXPLAINED_MAX 24 /* trees and peers whose limit is asked for */
#define HEADER_ROWS 2
#define ROOMY_ROWS 32 /* from here on a blank line before each section */
#define FILL_STEPS 20

/* ---- what to show ---- */

struct section {
  const char *path, *items;
  void (*fill)(const json_t *list, const struct look *look, struct table *table);
  const char *id; /* by which `why` knows an item; null: it does not */
};

enum { SECTION_POPS, SECTION_SESSIONS, SECTION_TREES, SECTION_LINKS, SECTION_PEERS, SECTION_COUNT };

static const struct section sections[SECTION_COUNT] = {
  [SECTION_POPS] = {"/v1/pops", "pops", pops_table, NULL},
  [SECTION_SESSIONS] = {"/v1/sessions", "sessions", sessions_table, NULL},
  [SECTION_TREES] = {"/v1/trees", "trees", trees_table, "id"},
  [SECTION_LINKS] = {"/v1/links", "links", links_table, NULL},
  [SECTION_PEERS] = {"/v1/peers", "peers", peers_table, "member"},
};

struct picture {
  json_t *lists[SECTION_COUNT];
  json_t *drops; /* of the PoPs, with "rates" */
  time_t made;   /* 0: there is none */
};

static void
forget(struct picture *picture) {
  for (size_t i = 0; i < SECTION_COUNT; i++)
    json_decref(picture->lists[i]);
  json_decref(picture->drops);
  *picture = (struct picture){.made = 0};
}

/* Adds "rates" to what a PoP has dropped: {name: packets/s} since `before`, its counts of an earlier second. */
static void
add_drop_rates(json_t *now, const json_t *before) {
  static const char *const kinds[] = {"packet_drops", "copy_drops"};
  const uint64_t at_s = number_of(now, "at_s"), before_s = number_of(before, "at_s");
  json_t *rates = json_object(), *count;
  const char *name;

  if (at_s == before_s)
    json_object_update(rates, json_object_get(before, "rates"));
  for (size_t i = 0; i < 2 && before != NULL && at_s > before_s; i++) {
    json_object_foreach(json_object_get(now, kinds[i]), name, count) {
      uint64_t had = number_of(json_object_get(before, kinds[i]), name), has = (uint64_t)json_integer_value(count);

      if (has > had)
        json_object_set_new(rates, name, json_integer((json_int_t)((has - had) / (at_s - before_s))));
    }
  }
  json_object_set_new(now, "rates", rates);
}

static const json_t *
drops_at(const struct picture *picture, const char *pop) {
  json_t *item;
  size_t i;

  json_array_foreach(picture->drops, i, item) {
    if (strcmp(text_of(item, "pop"), pop) == 0)
      return item;
  }
  return NULL;
}

/* Of all PoPs, {name: packets/s}; their counts may be gone for a while, and of other seconds than the picture. */
static json_t *
sum_drop_rates(const struct picture *picture) {
  json_t *sums = json_object(), *item, *rate;
  const char *name;
  size_t i;

  json_array_foreach(picture->drops, i, item) {
    json_object_foreach(json_object_get(item, "rates"), name, rate) {
      json_object_set_new(sums, name, json_integer((json_int_t)number_of(sums, name) + json_integer_value(rate)));
    }
  }
  return sums;
}

/* A whole picture, or none. */
static int
fetch(struct context *context, struct picture *picture, struct copse_error *error) {
  int result;

  *picture = (struct picture){.made = time(NULL)};
  result = client_list(context->client, "/v1/drops", "drops", ITEMS_MAX, &picture->drops, error);
  for (size_t i = 0; i < SECTION_COUNT && result == 0; i++)
    result = client_list(context->client, sections[i].path, sections[i].items, ITEMS_MAX, &picture->lists[i], error);
  if (result != 0)
    forget(picture);
  return result;
}

static int
by_number(uint64_t left, uint64_t right) {
  return (left < right) - (left > right);
}

static int
by_text(const json_t *left, const json_t *right, const char *name) {
  return strcmp(text_of(left, name), text_of(right, name));
}

/* Rows that change places all the time cannot be read: rates differ when one has more bits. */
static uint64_t
magnitude(uint64_t bps) {
  uint64_t bits = 0;

  while (bps >> bits > 0)
    bits++;
  return bits;
}

static int
by_rate(const void *a, const void *b) {
  const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
  int order = by_number(magnitude(number_of(left, "bps")), magnitude(number_of(right, "bps")));

  if (order == 0)
    order = by_text(left, right, "session");
  return order != 0 ? order : by_text(left, right, "root");
}

static uint64_t
fill_of(const json_t *link) {
  return (uint64_t)(share_of(number_of(link, "bps"), number_of(link, "bandwidth_bps")) * FILL_STEPS);
}

static int
by_fill(const void *a, const void *b) {
  const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
  int order = by_number(fill_of(left), fill_of(right));

  if (order == 0)
    order = by_text(left, right, "from");
  return order != 0 ? order : by_text(left, right, "to");
}

/* Peers that are still fetching come first, then who sends. */
static int
by_activity(const void *a, const void *b) {
  const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
  int order = json_is_true(json_object_get(left, "done")) - json_is_true(json_object_get(right, "done"));

  if (order == 0)
    order = by_number(magnitude(number_of(left, "in_bps") + number_of(left, "out_bps")),
                      magnitude(number_of(right, "in_bps") + number_of(right, "out_bps")));
  if (order == 0)
    order = by_text(left, right, "pop");
  return order != 0 ? order : by_text(left, right, "member");
}

static json_t *
sorted(json_t *list, int (*order)(const void *a, const void *b)) {
  size_t count = json_array_size(list), i;
  json_t **items = calloc(count + 1, sizeof(json_t *)), *out = json_array(), *item;

  if (items == NULL)
    abort();
  json_array_foreach(list, i, item) {
    items[i] = item;
  }
  qsort(items, count, sizeof(json_t *), order);
  for (i = 0; i < count; i++)
    json_array_append(out, items[i]);
  free(items);
  json_decref(list);
  return out;
}

static void
keep(json_t *list, bool (*is_kept)(const json_t *item)) {
  for (size_t i = json_array_size(list); i-- > 0;)
    if (!is_kept(json_array_get(list, i)))
      json_array_remove(list, i);
}

static bool
is_in_use(const json_t *link) {
  return number_of(link, "bps") > 0 || number_of(link, "reserved_bps") > 0 || number_of(link, "drops_pps") > 0;
}

static bool
is_open(const json_t *session) {
  return strcmp(text_of(session, "state"), "open") == 0;
}

static void
arrange(struct picture *picture) {
  keep(picture->lists[SECTION_SESSIONS], is_open);
  keep(picture->lists[SECTION_LINKS], is_in_use);
  picture->lists[SECTION_TREES] = sorted(picture->lists[SECTION_TREES], by_rate);
  picture->lists[SECTION_LINKS] = sorted(picture->lists[SECTION_LINKS], by_fill);
  picture->lists[SECTION_PEERS] = sorted(picture->lists[SECTION_PEERS], by_activity);
}

/* Asks for the limits of what is shown first. Who has gone meanwhile has none. */
static void
explain(struct context *context, struct picture *picture, const size_t shares[SECTION_COUNT]) {
  size_t asked = 0;

  for (size_t i = 0; i < SECTION_COUNT; i++) {
    for (size_t j = 0; j < shares[i] && sections[i].id != NULL && asked < EXPLAINED_MAX; j++) {
      json_t *item = json_array_get(picture->lists[i], j), *why = NULL;
      struct copse_error ignored;
      char path[64];

      if (text_of(item, sections[i].id)[0] == '\0')
        continue;
      snprintf(path, sizeof(path), "/v1/why/%s", text_of(item, sections[i].id));
      asked++;
      if (client_ask(context->client, "GET", path, NULL, NULL, &why, &ignored) == 0)
        json_object_set(item, "verdict", json_object_get(why, "verdict"));
      json_decref(why);
    }
  }
}

/* ---- the picture ---- */

static size_t
count_true(const json_t *list, const char *name) {
  size_t count = 0, i;
  json_t *item;

  json_array_foreach((json_t *)list, i, item) {
    count += json_is_true(json_object_get(item, name));
  }
  return count;
}

static uint64_t
sum_of(const json_t *list, const char *name) {
  uint64_t sum = 0;
  size_t i;
  json_t *item;

  json_array_foreach((json_t *)list, i, item) {
    sum += number_of(item, name);
  }
  return sum;
}

static void
print_styled(const struct look *look, enum style style, const char *text, FILE *out) {
  fprintf(out, "%s%s%s", style_begin(look, style), text, style_end(look, style));
}

static void
print_drop_rates(const struct picture *picture, FILE *out) {
  json_t *rates = sum_drop_rates(picture), *rate;
  const char *name;

  json_object_foreach(rates, name, rate) {
    char text[UNITS_BYTES + 8];

    fprintf(out, "  %s %s/s", name, count_text((uint64_t)json_integer_value(rate), text));
  }
  json_decref(rates);
}

/* Two lines: who is there, and what passes. `trouble`: why the picture is not of now; null when it is. */
static void
print_header(const struct context *context, const struct picture *picture, const char *trouble, FILE *out) {
  const json_t *pops = picture->lists[SECTION_POPS], *peers = picture->lists[SECTION_PEERS];
  const uint64_t drops = sum_of(pops, "drops_pps");
  char texts[2][UNITS_BYTES], line[128], clock[16];
  const time_t made = picture->made != 0 ? picture->made : time(NULL);
  struct tm local;

  strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&made, &local));
  print_styled(&context->look, STYLE_HEAD, "copse", out);
  fprintf(out, " %s  ", clock);
  if (trouble != NULL)
    print_styled(&context->look, STYLE_BAD, trouble, out);
  else
    fprintf(out, "PoPs %zu/%zu  sessions %zu  trees %zu  peers %zu, %zu done  %s", count_true(pops, "alive"),
            json_array_size(pops), json_array_size(picture->lists[SECTION_SESSIONS]),
            json_array_size(picture->lists[SECTION_TREES]), json_array_size(peers), count_true(peers, "done"),
            context->settings->endpoint);
  fprintf(out, "\nin %s  out %s  ", rate_text(sum_of(pops, "rx_bps"), texts[0]),
          rate_text(sum_of(pops, "tx_bps"), texts[1]));
  snprintf(line, sizeof(line), "missed %llu/s", (unsigned long long)drops);
  print_styled(&context->look, drops > 0 ? STYLE_BAD : STYLE_PLAIN, line, out);
  print_drop_rates(picture, out);
  fputc('\n', out);
}

/* Rows for each section: all it needs if there is room for all, else a fair share each, what one leaves going to the
 * next. The last line of a section that is cut says how much is left out. */
static void
share_rows(const struct picture *picture, size_t rows, size_t shares[SECTION_COUNT]) {
  size_t fixed = HEADER_ROWS + SECTION_COUNT * (rows < ROOMY_ROWS ? 1 : 2), left = rows > fixed ? rows - fixed : 0;

  memset(shares, 0, SECTION_COUNT * sizeof(*shares));
  for (size_t round = 0; round < SECTION_COUNT; round++) {
    size_t hungry = 0, given = 0;

    for (size_t i = 0; i < SECTION_COUNT; i++)
      hungry += shares[i] < json_array_size(picture->lists[i]);
    for (size_t i = 0; i < SECTION_COUNT && hungry > 0; i++) {
      size_t wanted = json_array_size(picture->lists[i]) - shares[i], part = (left - given) / hungry;

      if (wanted == 0)
        continue;
      part = wanted < part ? wanted : part;
      shares[i] += part;
      given += part;
      hungry--;
    }
    left -= given;
  }
  for (size_t i = 0; i < SECTION_COUNT; i++)
    if (shares[i] < json_array_size(picture->lists[i]) && shares[i] > 0)
      shares[i]--; /* for the line that says so */
}

/* The picture as text, allocated, for a screen of so many rows; look->columns is its width. */
static char *
draw(struct context *context, struct picture *picture, const char *trouble, size_t rows) {
  size_t shares[SECTION_COUNT], length = 0;
  char *text = NULL;
  FILE *out = open_memstream(&text, &length);

  if (out == NULL)
    abort();
  share_rows(picture, rows, shares);
  if (trouble == NULL)
    explain(context, picture, shares);
  print_header(context, picture, trouble, out);
  for (size_t i = 0; i < SECTION_COUNT; i++) {
    struct table table;

    if (rows >= ROOMY_ROWS)
      fputc('\n', out);
    sections[i].fill(picture->lists[i], &context->look, &table);
    table_print(&table, &context->look, shares[i], out);
    table_free(&table);
  }
  fclose(out);
  return text;
}

/* Takes the next picture's place in that of the last. */
static void
replace(struct picture *picture, struct picture *next) {
  json_t *item;
  size_t i;

  json_array_foreach(next->drops, i, item) {
    add_drop_rates(item, drops_at(picture, text_of(item, "pop")));
  }
  arrange(next);
  forget(picture);
  *picture = *next;
}

/* The next picture; where there is none the last one stays. Anything but -EACCES is tried again. */
static int
turn(struct context *context, struct picture *picture, struct copse_error *error) {
  struct picture next;
  int result = fetch(context, &next, error);
  size_t rows;
  char *text;

  if (result == -EACCES)
    return result;
  if (result == 0)
    replace(picture, &next);
  screen_size(&rows, &context->look.columns);
  text = draw(context, picture, result == 0 ? NULL : error->text, rows);
  screen_show(text);
  free(text);
  screen_wait(context->delay_s);
  return 0;
}

static int
run_live(struct context *context, struct copse_error *error) {
  struct picture picture = {.made = 0};
  int result = 0;

  screen_open();
  while (!screen_ended() && result == 0)
    result = turn(context, &picture, error);
  screen_close();
  forget(&picture);
  return result;
}

static int
print_picture_json(const struct picture *picture, struct copse_error *error) {
  json_t *all = json_object();

  for (size_t i = 0; i < SECTION_COUNT; i++)
    json_object_set(all, sections[i].items, picture->lists[i]);
  json_object_set(all, "drops", picture->drops);
  return print_json(all, error);
}

static int
run_once(struct context *context, struct copse_error *error) {
  struct picture picture;
  int result = fetch(context, &picture, error);

  if (result != 0)
    return result;
  arrange(&picture);
  if (context->json) {
    result = print_picture_json(&picture, error);
  } else {
    char *text = draw(context, &picture, NULL, SIZE_MAX);

    fputs(text, stdout);
    free(text);
  }
  forget(&picture);
  return result;
}

int
run_top(struct context *context, struct copse_error *error) {
  if (context->once || context->json)
    return run_once(context, error);
  if (!isatty(STDOUT_FILENO))
    return copse_fail(error, -EINVAL, "top draws on a terminal; top --once prints one picture");
  return run_live(context, error);
}
