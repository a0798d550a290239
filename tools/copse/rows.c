/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"
#include "units.h"
#include <copse/drops.h>
#include <stdlib.h>
#include <string.h>

#define BAR 12
#define BAR_BYTES (3 * BAR + 1)
#define FULL 0.9 /* of a budget: worth a warning */
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

uint64_t
number_of(const json_t *item, const char *name) {
  json_int_t value = json_integer_value(json_object_get(item, name));

  return value > 0 ? (uint64_t)value : 0;
}

const char *
text_of(const json_t *item, const char *name) {
  const char *text = json_string_value(json_object_get(item, name));

  return text != NULL ? text : "";
}

double
share_of(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : (double)part / (double)whole;
}

static bool
is_true(const json_t *item, const char *name) {
  return json_is_true(json_object_get(item, name));
}

static void
add_text(struct table *table, const json_t *item, const char *name) {
  table_add(table, STYLE_PLAIN, "%s", text_of(item, name));
}

static void
add_rate(struct table *table, const json_t *item, const char *name) {
  uint64_t bps = number_of(item, name);
  char text[UNITS_BYTES];

  table_add(table, bps == 0 ? STYLE_FAINT : STYLE_PLAIN, "%s", rate_text(bps, text));
}

static void
add_bytes(struct table *table, const json_t *item, const char *name) {
  uint64_t bytes = number_of(item, name);
  char text[UNITS_BYTES];

  table_add(table, bytes == 0 ? STYLE_FAINT : STYLE_PLAIN, "%s", bytes_text(bytes, text));
}

/* A count that should be 0. */
static void
add_trouble(struct table *table, const json_t *item, const char *name) {
  uint64_t count = number_of(item, name);
  char text[UNITS_BYTES + 8];

  table_add(table, count == 0 ? STYLE_FAINT : STYLE_BAD, "%s", count_text(count, text));
}

/* Sessions are told apart by less than their 32 digits. */
static void
add_session(struct table *table, const json_t *item) {
  table_add(table, STYLE_FAINT, "%.8s", text_of(item, "session"));
}

void
pops_table(const json_t *list, const struct look *look, struct table *table) {
  static const char *const titles[] = {"PoP", "state", ">peers", ">in", ">out", ">drops/s", "address", "API"};
  const json_t *item;
  size_t i;

  (void)look;
  table_begin(table, titles, COUNT_OF(titles));
  json_array_foreach((json_t *)list, i, item) {
    bool alive = is_true(item, "alive");

    table_add(table, STYLE_PLAIN, "%s", text_of(item, "name"));
    table_add(table, alive ? STYLE_GOOD : STYLE_BAD, "%s", alive ? "alive" : "away");
    table_add(table, STYLE_PLAIN, "%llu", (unsigned long long)number_of(item, "members"));
    add_rate(table, item, "rx_bps");
    add_rate(table, item, "tx_bps");
    add_trouble(table, item, "drops_pps");
    add_text(table, item, "address");
    table_add(table, STYLE_FAINT, "%s", text_of(item, "api"));
  }
}

/* What is known of the way between two PoPs. */
static void
add_quality(struct table *table, const json_t *item) {
  const json_t *measured = json_object_get(item, "measured"), *loss = json_object_get(item, "loss");
  const char *state = text_of(measured, "state");
  const bool set = is_true(item, "overridden"), over = number_of(item, "over_bps") > 0;
  double lost = loss != NULL ? json_number_value(loss) : json_number_value(json_object_get(measured, "loss"));

  if (loss == NULL && measured == NULL)
    table_add(table, STYLE_FAINT, "-");
  else
    table_add(table, lost >= 0.02 ? STYLE_BAD : STYLE_PLAIN, "%.1f %%", 100 * lost);
  table_add(
    table, STYLE_PLAIN, "%.1f ms",
    json_number_value(measured != NULL ? json_object_get(measured, "delay_ms") : json_object_get(item, "delay_ms")));
  table_add(table,
            strcmp(state, "down") == 0       ? STYLE_BAD
            : strcmp(state, "degraded") == 0 ? STYLE_WARNING
                                             : STYLE_PLAIN,
            "%s%s%s%s%s", state, set && state[0] != '\0' ? ", " : "", set ? "set" : "",
            over && (set || state[0] != '\0') ? ", " : "", over ? "too much held" : "");
}

void
links_table(const json_t *list, const struct look *look, struct table *table) {
  static const char *const titles[] = {"link",      ">carried", ">budget", "use",    ">%",
                                       ">reserved", ">drops/s", ">loss",   ">delay", "state"};
  const json_t *item;
  size_t i;

  table_begin(table, titles, COUNT_OF(titles));
  json_array_foreach((json_t *)list, i, item) {
    double use = share_of(number_of(item, "bps"), number_of(item, "bandwidth_bps"));
    enum style style = use >= FULL ? STYLE_WARNING : STYLE_PLAIN;
    char bars[BAR_BYTES];

    bar(look, use, BAR, bars);
    table_add(table, STYLE_PLAIN, look->utf8 ? "%s→%s" : "%s>%s", text_of(item, "from"), text_of(item, "to"));
    add_rate(table, item, "bps");
    add_rate(table, item, "bandwidth_bps");
    table_add(table, style, "%s", bars);
    table_add(table, style, "%.0f", 100 * use);
    add_rate(table, item, "reserved_bps");
    add_trouble(table, item, "drops_pps");
    add_quality(table, item);
  }
}

void
sessions_table(const json_t *list, const struct look *look, struct table *table) {
  static const char *const titles[] = {"session", "state", ">peers", ">trees", ">size", "owner", "creator", "file"};
  const json_t *item;
  size_t i;

  (void)look;
  table_begin(table, titles, COUNT_OF(titles));
  json_array_foreach((json_t *)list, i, item) {
    const char *state = text_of(item, "state");

    add_text(table, item, "session");
    table_add(table, strcmp(state, "open") == 0 ? STYLE_GOOD : STYLE_FAINT, "%s", state);
    table_add(table, STYLE_PLAIN, "%llu", (unsigned long long)number_of(item, "member_count"));
    table_add(table, STYLE_PLAIN, "%llu", (unsigned long long)number_of(item, "tree_count"));
    add_bytes(table, item, "size");
    add_text(table, item, "owner");
    table_add(table, STYLE_PLAIN, "%s", text_of(item, "creator")[0] != '\0' ? text_of(item, "creator") : "operator");
    add_text(table, item, "name");
  }
}

/* The edges in order, as parent→child, or why there are none. */
static void
add_edges(struct table *table, const json_t *item, const struct look *look) {
  const json_t *edges = json_object_get(item, "edges"), *edge;
  char *text = NULL;
  size_t length = 0, i;
  FILE *out;

  if (json_array_size(edges) == 0) {
    table_add(table, STYLE_FAINT, "%s", text_of(item, "reason"));
    return;
  }
  out = open_memstream(&text, &length);
  if (out == NULL)
    abort();
  json_array_foreach((json_t *)edges, i, edge) {
    fprintf(out, "%s%s%s%s", i > 0 ? " " : "", text_of(edge, "from"), look->utf8 ? "→" : ">", text_of(edge, "to"));
  }
  fclose(out);
  table_add(table, STYLE_PLAIN, "%s", text);
  free(text);
}

static bool
is_explained(const json_t *list) {
  return json_object_get(json_array_get(list, 0), "verdict") != NULL;
}

/* A tree as it is planned, or what holds it. */
static void
add_tree_status(struct table *table, const json_t *item, bool explained) {
  const char *status = text_of(item, "status"), *verdict = text_of(item, "verdict");
  bool ok = strcmp(status, "ok") == 0, whole = ok && is_true(item, "installed");

  if (explained && whole)
    table_add(table, strcmp(verdict, "idle") == 0 ? STYLE_FAINT : STYLE_GOOD, "%s", verdict);
  else
    table_add(table, whole ? STYLE_GOOD : STYLE_WARNING, "%s", ok && !whole ? "installing" : status);
}

void
trees_table(const json_t *list, const struct look *look, struct table *table) {
#define TREE_TITLES(status)                                                                                            \
  { "tree", "session", "root", status, ">carried", ">rate", ">bound", "use", ">B", ">C·M", ">charged", "edges" }
  static const char *const titles[][12] = {TREE_TITLES("status"), TREE_TITLES("held by")};
  const bool explained = is_explained(list);
  const json_t *item;
  size_t i;

  table_begin(table, titles[explained], COUNT_OF(titles[0]));
  json_array_foreach((json_t *)list, i, item) {
    char bars[BAR_BYTES];

    bar(look, share_of(number_of(item, "bps"), number_of(item, "rate_bps")), BAR, bars);
    table_add(table, STYLE_PLAIN, "%s", text_of(item, "id")[0] != '\0' ? text_of(item, "id") : "-");
    add_session(table, item);
    add_text(table, item, "root");
    add_tree_status(table, item, explained);
    add_rate(table, item, "bps");
    add_rate(table, item, "rate_bps");
    add_rate(table, item, "bound_bps");
    table_add(table, STYLE_PLAIN, "%s", strcmp(text_of(item, "status"), "ok") == 0 ? bars : "");
    add_rate(table, item, "min_bps");
    add_rate(table, item, "max_bps");
    add_bytes(table, item, "charged_bytes");
    add_edges(table, item, look);
  }
}

static void
add_progress(struct table *table, const json_t *item, const struct look *look) {
  uint64_t have = number_of(item, "have"), blocks = number_of(item, "blocks");
  char bars[BAR_BYTES];

  bar(look, share_of(have, blocks), BAR, bars);
  table_add(table, STYLE_PLAIN, "%s", bars);
  if (is_true(item, "seed"))
    table_add(table, STYLE_GOOD, "seed");
  else if (is_true(item, "done"))
    table_add(table, STYLE_GOOD, "done");
  else if (!is_true(item, "permitted"))
    table_add(table, STYLE_BAD, "unproven");
  else
    table_add(table, STYLE_PLAIN, "%.0f %%", 100 * share_of(have, blocks));
}

void
peers_table(const json_t *list, const struct look *look, struct table *table) {
#define PEER_TITLES(...)                                                                                               \
  {                                                                                                                    \
    "peer", "session", "PoP", "progress", ">", __VA_ARGS__ ">receives", ">sends", ">down", ">up", ">from CDN",         \
      ">direct", "account"                                                                                             \
  }
  static const char *const plain[] = PEER_TITLES(), *const with_verdict[] = PEER_TITLES("held by", );
  const bool explained = is_explained(list);
  const json_t *item;
  size_t i;

  if (explained)
    table_begin(table, with_verdict, COUNT_OF(with_verdict));
  else
    table_begin(table, plain, COUNT_OF(plain));
  json_array_foreach((json_t *)list, i, item) {
    add_text(table, item, "member");
    add_session(table, item);
    add_text(table, item, "pop");
    add_progress(table, item, look);
    if (explained)
      add_text(table, item, "verdict");
    add_rate(table, item, "out_bps");
    add_rate(table, item, "in_bps");
    add_rate(table, item, "downlink_bps");
    add_rate(table, item, "uplink_bps");
    add_bytes(table, item, "cdn_bytes");
    add_bytes(table, item, "direct_bytes");
    table_add(table, STYLE_PLAIN, "%s", text_of(item, "account")[0] != '\0' ? text_of(item, "account") : "operator");
  }
}

void
accounts_table(const json_t *list, const struct look *look, struct table *table) {
  static const char *const titles[] = {"account", ">credit", ">leased", ">charged", ">lost", ">granted", ">earned"};
  const json_t *item;
  size_t i;

  (void)look;
  table_begin(table, titles, COUNT_OF(titles));
  json_array_foreach((json_t *)list, i, item) {
    char text[UNITS_BYTES];
    uint64_t credit = number_of(item, "credit_bytes");

    add_text(table, item, "account");
    table_add(table, credit == 0 ? STYLE_BAD : STYLE_PLAIN, "%s", bytes_text(credit, text));
    add_bytes(table, item, "leased_bytes");
    add_bytes(table, item, "charged_bytes");
    add_bytes(table, item, "lost_bytes");
    add_bytes(table, item, "granted_bytes");
    add_bytes(table, item, "earned_bytes");
  }
}

void
grants_table(const json_t *list, const struct look *look, struct table *table) {
  static const char *const titles[] = {"tree", "session", "root", ">leased"};
  const json_t *item;
  size_t i;

  (void)look;
  table_begin(table, titles, COUNT_OF(titles));
  json_array_foreach((json_t *)list, i, item) {
    add_text(table, item, "tree");
    add_text(table, item, "session");
    add_text(table, item, "root");
    add_bytes(table, item, "bytes");
  }
}

#define DROP_TEXT(id, name, text) {name, text},
static const struct {
  const char *name, *text;
} reasons[] = {COPSE_PACKET_DROPS(DROP_TEXT) COPSE_COPY_DROPS(DROP_TEXT)};

static const char *
reason_text(const char *name) {
  for (size_t i = 0; i < COUNT_OF(reasons); i++)
    if (strcmp(reasons[i].name, name) == 0)
      return reasons[i].text;
  return "";
}

void
drops_table(const json_t *list, const struct look *look, struct table *table) {
  static const char *const titles[] = {"PoP", "of", "drop", ">count", "because"};
  static const char *const kinds[][2] = {{"packet_drops", "packets"}, {"copy_drops", "copies"}};
  const char *name;
  json_t *item, *count;
  size_t i;

  (void)look;
  table_begin(table, titles, COUNT_OF(titles));
  json_array_foreach((json_t *)list, i, item) {
    for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
      json_object_foreach(json_object_get(item, kinds[kind][0]), name, count) {
        char text[UNITS_BYTES + 8];

        add_text(table, item, "pop");
        table_add(table, STYLE_FAINT, "%s", kinds[kind][1]);
        table_add(table, STYLE_PLAIN, "%s", name);
        table_add(table, STYLE_PLAIN, "%s", count_text((uint64_t)json_integer_value(count), text));
        table_add(table, STYLE_FAINT, "%s", reason_text(name));
      }
    }
  }
}
