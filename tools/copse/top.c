/* SPDX-License-Identifier: Apache-2.0 */
/* copse top: what happens, at a glance, once a second. The screen is drawn whole each time, over the one before, in the
 * size the terminal has then. */
#include "command.h"
#include "rows.h"
#include "units.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ITEMS_MAX 1000 /* of a list; more do not fit any screen */
#define ROWS_DEFAULT 50
#define COLUMNS_DEFAULT 132
#define HEADER_ROWS 2
#define SECTION_ROWS 2 /* titles, and the line before */

#define ENTER "\x1b[?1049h\x1b[?25l" /* the other screen, without cursor */
#define LEAVE "\x1b[?25h\x1b[?1049l"
#define HOME "\x1b[H"
#define CLEAR_LINE "\x1b[K"
#define CLEAR_BELOW "\x1b[J"

static volatile sig_atomic_t stopped, resized;

static void
on_signal(int number) {
  if (number == SIGWINCH)
    resized = 1;
  else
    stopped = 1;
}

static struct winsize
screen_size(void) {
  struct winsize size = {0};

  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
    size = (struct winsize){.ws_row = ROWS_DEFAULT, .ws_col = COLUMNS_DEFAULT};
  return size;
}

/* ---- what to show ---- */

struct section {
  const char *path, *items;
  void (*fill)(const json_t *list, const struct look *look, struct table *table);
  json_t *list;
};

enum { SECTION_POPS, SECTION_LINKS, SECTION_TREES, SECTION_PEERS, SECTION_COUNT };

static void
forget(struct section *sections) {
  for (size_t i = 0; i < SECTION_COUNT; i++) {
    json_decref(sections[i].list);
    sections[i].list = NULL;
  }
}

static int
fetch(struct context *context, struct section *sections, struct copse_error *error) {
  int result = 0;

  forget(sections);
  for (size_t i = 0; i < SECTION_COUNT && result == 0; i++)
    result = client_list(context->client, sections[i].path, sections[i].items, ITEMS_MAX, &sections[i].list, error);
  return result;
}

static int
by_use(const void *a, const void *b) {
  uint64_t left = number_of(*(json_t *const *)a, "bps"), right = number_of(*(json_t *const *)b, "bps");

  return (left < right) - (left > right);
}

/* Peers that are still fetching come first, then who sends. */
static int
by_activity(const void *a, const void *b) {
  const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
  bool left_done = json_is_true(json_object_get(left, "done")),
       right_done = json_is_true(json_object_get(right, "done"));
  uint64_t left_bps = number_of(left, "in_bps") + number_of(left, "out_bps");
  uint64_t right_bps = number_of(right, "in_bps") + number_of(right, "out_bps");

  if (left_done != right_done)
    return left_done - right_done;
  return left_bps != right_bps ? (left_bps < right_bps) - (left_bps > right_bps)
                               : strcmp(text_of(left, "member"), text_of(right, "member"));
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

/* Links in use, the fullest first; trees that are there; peers that are busy. */
static void
arrange(struct section *sections) {
  json_t *links = sections[SECTION_LINKS].list;

  for (size_t i = json_array_size(links); i-- > 0;) {
    const json_t *link = json_array_get(links, i);
    if (number_of(link, "bps") == 0 && number_of(link, "reserved_bps") == 0 && number_of(link, "drops_pps") == 0)
      json_array_remove(links, i);
  }
  sections[SECTION_LINKS].list = sorted(links, by_use);
  sections[SECTION_PEERS].list = sorted(sections[SECTION_PEERS].list, by_activity);
}

/* ---- the picture ---- */

static void
print_header(const struct context *context, const struct section *sections, FILE *out) {
  uint64_t in = 0, out_bps = 0, drops = 0;
  const json_t *pop;
  char texts[2][UNITS_BYTES], clock[16];
  time_t now = time(NULL);
  struct tm local;
  size_t i, done = 0, alive = 0;
  json_t *item;

  json_array_foreach(sections[SECTION_POPS].list, i, item) {
    pop = item;
    in += number_of(pop, "rx_bps");
    out_bps += number_of(pop, "tx_bps");
    drops += number_of(pop, "drops_pps");
    alive += json_is_true(json_object_get(pop, "alive"));
  }
  json_array_foreach(sections[SECTION_PEERS].list, i, item) {
    done += json_is_true(json_object_get(item, "done"));
  }
  strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &local));
  fprintf(out, "%scopse%s %s  %s  PoPs %zu/%zu  trees %zu  peers %zu, %zu done  in %s  out %s  %sdrops %llu/s%s\n",
          style_begin(&context->look, STYLE_HEAD), style_end(&context->look, STYLE_HEAD), clock,
          context->settings->endpoint, alive, json_array_size(sections[SECTION_POPS].list),
          json_array_size(sections[SECTION_TREES].list), json_array_size(sections[SECTION_PEERS].list), done,
          rate_text(in, texts[0]), rate_text(out_bps, texts[1]),
          style_begin(&context->look, drops > 0 ? STYLE_BAD : STYLE_PLAIN), (unsigned long long)drops,
          style_end(&context->look, drops > 0 ? STYLE_BAD : STYLE_PLAIN));
}

/* Rows for each section: all it needs if there is room for all, else a fair share each, what one leaves going to the
 * next. The last line of a section that is cut says how much is left out. */
static void
share_rows(const struct section *sections, size_t rows, size_t shares[SECTION_COUNT]) {
  size_t fixed = HEADER_ROWS + SECTION_COUNT * SECTION_ROWS, left = rows > fixed ? rows - fixed : 0;

  memset(shares, 0, SECTION_COUNT * sizeof(*shares));
  for (size_t round = 0; round < SECTION_COUNT; round++) {
    size_t hungry = 0, given = 0;

    for (size_t i = 0; i < SECTION_COUNT; i++)
      hungry += shares[i] < json_array_size(sections[i].list);
    for (size_t i = 0; i < SECTION_COUNT && hungry > 0; i++) {
      size_t wanted = json_array_size(sections[i].list) - shares[i], part = (left - given) / hungry;

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
    if (shares[i] < json_array_size(sections[i].list) && shares[i] > 0)
      shares[i]--; /* for the line that says so */
}

/* The picture as text, allocated. */
static char *
draw(const struct context *context, const struct section *sections, size_t rows) {
  size_t shares[SECTION_COUNT], length = 0;
  char *text = NULL;
  FILE *out = open_memstream(&text, &length);

  if (out == NULL)
    abort();
  share_rows(sections, rows, shares);
  print_header(context, sections, out);
  for (size_t i = 0; i < SECTION_COUNT; i++) {
    struct table table;

    fputc('\n', out);
    sections[i].fill(sections[i].list, &context->look, &table);
    table_print(&table, &context->look, shares[i], out);
    table_free(&table);
  }
  fclose(out);
  return text;
}

/* One line, cut at the edge of the screen; escape sequences take no room and are not cut. */
static void
put_line(const char *line, size_t length, size_t columns) {
  size_t used = 0;

  for (size_t i = 0; i < length; i++) {
    if (line[i] == '\x1b') {
      size_t end = i;
      while (end < length && line[end] != 'm')
        end++;
      fwrite(line + i, 1, end - i + 1, stdout);
      i = end;
      continue;
    }
    if (((unsigned char)line[i] & 0xc0) != 0x80)
      used++;
    if (used <= columns)
      putchar(line[i]);
  }
}

static void
show(const char *text, struct winsize size) {
  fputs(HOME, stdout);
  for (size_t row = 0; row < size.ws_row && *text != '\0'; row++) {
    size_t length = strcspn(text, "\n");

    if (row > 0)
      fputs("\r\n", stdout);
    put_line(text, length, size.ws_col);
    fputs(CLEAR_LINE, stdout);
    text += length + (text[length] == '\n');
  }
  fputs(CLEAR_BELOW, stdout);
  fflush(stdout);
}

/* ---- the terminal ---- */

/* Keys one by one, without echo; false when there is no terminal to read from. */
static bool
prepare_terminal(struct termios *before) {
  struct termios raw;

  if (tcgetattr(STDIN_FILENO, before) != 0)
    return false;
  raw = *before;
  raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

/* Waits for a key or the next picture's time; `q` ends. */
static void
wait_for_key(bool keys, double delay_s) {
  struct pollfd input = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
  char key;

  if (poll(&input, 1, (int)(delay_s * 1000)) == 1 && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
    stopped = 1;
}

static int
run_live(struct context *context, struct section *sections, struct copse_error *error) {
  struct sigaction action = {.sa_handler = on_signal};
  struct termios before;
  bool keys = prepare_terminal(&before);
  int result = 0;

  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
  sigaction(SIGWINCH, &action, NULL);
  fputs(ENTER, stdout);
  while (!stopped) {
    char *text;

    result = fetch(context, sections, error);
    if (result == -EACCES || stopped)
      break;
    if (result == 0)
      arrange(sections);
    if (result == 0)
      text = draw(context, sections, screen_size().ws_row);
    else if (asprintf(&text, "%s\ntrying again; q ends\n", error->text) < 0)
      abort();
    do {
      resized = 0;
      show(text, screen_size());
      wait_for_key(keys, context->delay_s);
    } while (resized && !stopped);
    free(text);
  }
  fputs(LEAVE, stdout);
  fflush(stdout);
  if (keys)
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
  return stopped ? 0 : result;
}

static int
run_once(struct context *context, struct section *sections, struct copse_error *error) {
  int result = fetch(context, sections, error);
  json_t *all;
  char *text;

  if (result != 0)
    return result;
  arrange(sections);
  if (context->json) {
    all = json_object();
    for (size_t i = 0; i < SECTION_COUNT; i++)
      json_object_set(all, sections[i].items, sections[i].list);
    return print_json(all, error);
  }
  text = draw(context, sections, SIZE_MAX);
  fputs(text, stdout);
  free(text);
  return 0;
}

int
run_top(struct context *context, struct copse_error *error) {
  struct section sections[SECTION_COUNT] = {
    [SECTION_POPS] = {"/v1/pops", "pops", pops_table, NULL},
    [SECTION_LINKS] = {"/v1/links", "links", links_table, NULL},
    [SECTION_TREES] = {"/v1/trees", "trees", trees_table, NULL},
    [SECTION_PEERS] = {"/v1/peers", "peers", peers_table, NULL},
  };
  int result;

  if (!context->once && !context->json && !isatty(STDOUT_FILENO))
    return copse_fail(error, -EINVAL, "top draws on a terminal; top --once prints one picture");
  result = context->once || context->json ? run_once(context, sections, error) : run_live(context, sections, error);
  forget(sections);
  return result;
}
