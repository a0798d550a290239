/* SPDX-License-Identifier: Apache-2.0 */
#include "budget_checker.h"
#include <stdio.h>
#include <string.h>

void
budget_checker_begin(struct budget_checker *checker) {
  *checker = (struct budget_checker){.links = json_object(),
                                     .egress = json_object(),
                                     .reserved = json_object(),
                                     .plans = json_object(),
                                     .owners = json_object()};
}

void
budget_checker_end(struct budget_checker *checker) {
  json_decref(checker->links);
  json_decref(checker->egress);
  json_decref(checker->reserved);
  json_decref(checker->plans);
  json_decref(checker->owners);
}

static void __attribute__((format(printf, 2, 3))) violation(struct budget_checker *checker, const char *format, ...) {
  va_list arguments;

  if (checker->violations++ > 0)
    return;
  va_start(arguments, format);
  vsnprintf(checker->what, sizeof(checker->what), format, arguments);
  va_end(arguments);
}

static void
check_sold(struct budget_checker *checker, const char *what, json_int_t sold, json_int_t budget) {
  if (sold > budget)
    violation(checker, "revision %llu: %s: %lld of %lld bit/s are sold", (unsigned long long)checker->revision, what,
              (long long)sold, (long long)budget);
  if (budget > 0 && (double)sold / (double)budget > checker->fullest)
    checker->fullest = (double)sold / (double)budget;
}

static void
add(json_t *sums, const char *name, json_t *bps) {
  json_object_set_new(sums, name,
                      json_integer(json_integer_value(json_object_get(sums, name)) + json_integer_value(bps)));
}

/* What all sessions hold of the links from a PoP. */
static void
check_budgets(struct budget_checker *checker, const char *from, json_t *shares) {
  json_t *sums = json_object(), *share, *bps, *sold, *egress = json_object_get(checker->egress, from);
  json_int_t all = 0;
  const char *session, *to, *name;

  json_object_foreach(shares, session, share) {
    all += json_integer_value(json_object_get(share, "bps"));
    json_object_foreach(json_object_get(share, "links"), to, bps) {
      char link[128];

      snprintf(link, sizeof(link), "%s/%s", from, to);
      add(sums, link, bps);
    }
  }
  json_object_foreach(sums, name, sold) {
    check_sold(checker, name, json_integer_value(sold), json_integer_value(json_object_get(checker->links, name)));
  }
  if (egress != NULL)
    check_sold(checker, from, all, json_integer_value(egress));
  json_decref(sums);
}

/* What the plan of a session needs, {"U": {"bps","links"}} as in the store's reservations. */
static json_t *
needs_of(json_t *holdings) {
  json_t *needs = json_object(), *rates, *rate;
  const char *link, *holder;

  json_object_foreach(holdings, link, rates) {
    const char *slash = strchr(link, '/');
    char from[64];
    json_t *share;

    snprintf(from, sizeof(from), "%.*s", (int)(slash - link), link);
    share = json_object_get(needs, from);
    if (share == NULL) {
      share = json_pack("{s:i, s:{}}", "bps", 0, "links");
      json_object_set_new(needs, from, share);
    }
    json_object_foreach(rates, holder, rate) {
      add(share, "bps", rate);
      add(json_object_get(share, "links"), slash + 1, rate);
    }
  }
  return needs;
}

static json_t *
share_at(const struct budget_checker *checker, const char *from, const char *session) {
  return json_object_get(json_object_get(checker->reserved, from), session);
}

/* What plans need is reserved for them. */
static void
check_plans(struct budget_checker *checker) {
  const char *session, *from, *to;
  json_t *plan, *share, *bps;

  json_object_foreach(checker->plans, session, plan) {
    json_object_foreach(plan, from, share) {
      json_t *reserved = share_at(checker, from, session);

      if (json_integer_value(json_object_get(reserved, "bps")) < json_integer_value(json_object_get(share, "bps")))
        violation(checker, "revision %llu: session %s has less of the egress of %s than its plan needs",
                  (unsigned long long)checker->revision, session, from);
      json_object_foreach(json_object_get(share, "links"), to, bps) {
        if (json_integer_value(json_object_get(json_object_get(reserved, "links"), to)) < json_integer_value(bps))
          violation(checker, "revision %llu: session %s has less of %s/%s than its plan needs",
                    (unsigned long long)checker->revision, session, from, to);
      }
    }
  }
}

bool
budget_checker_is_exact(const struct budget_checker *checker) {
  const char *session, *from;
  json_t *plan, *shares, *share;

  json_object_foreach(checker->reserved, from, shares) {
    json_object_foreach(shares, session, share) {
      plan = json_object_get(checker->plans, session);
      if (!json_equal(share, json_object_get(plan, from)))
        return false;
    }
  }
  return true;
}

void
budget_checker_look(struct budget_checker *checker) {
  const char *from;
  json_t *shares;

  if (checker->changed) {
    json_object_foreach(checker->reserved, from, shares) {
      check_budgets(checker, from, shares);
    }
    check_plans(checker);
    checker->reservations++;
  }
  checker->changed = false;
}

static const char *
name_at(json_t *pops, json_t *number) {
  return json_string_value(json_array_get(pops, (size_t)json_integer_value(number)));
}

/* A root holds on a link the most that any of its trees needs there: only one of them carries at a time. */
static void
hold(json_t *holdings, json_t *pops, json_t *tree) {
  json_t *rate = json_object_get(tree, "rate_bps"), *edges = json_object_get(tree, "edges");
  const char *holder = json_string_value(json_object_get(tree, "root"));

  for (size_t i = 0; i + 1 < json_array_size(edges); i += 2) {
    char link[128];
    json_t *rates;

    snprintf(link, sizeof(link), "%s/%s", name_at(pops, json_array_get(edges, i)),
             name_at(pops, json_array_get(edges, i + 1)));
    rates = json_object_get(holdings, link);
    if (rates == NULL) {
      rates = json_object();
      json_object_set_new(holdings, link, rates);
    }
    if (json_integer_value(json_object_get(rates, holder)) < json_integer_value(rate))
      json_object_set(rates, holder, rate);
  }
}

static json_t *
plan_needs(json_t *record) {
  json_t *holdings = json_object(), *pops = json_object_get(record, "pops"), *tree, *needs;
  size_t i;

  json_array_foreach(json_object_get(record, "trees"), i, tree) {
    hold(holdings, pops, tree);
  }
  json_array_foreach(json_object_get(record, "leaving"), i, tree) {
    hold(holdings, pops, tree);
  }
  needs = needs_of(holdings);
  json_decref(holdings);
  return needs;
}

/* Takes the value over; null removes. */
static void
set(json_t *object, const char *name, json_t *value) {
  if (value == NULL)
    json_object_del(object, name);
  else
    json_object_set_new(object, name, value);
}

static json_t *
member_of(json_t *record, const char *name) {
  return json_incref(json_object_get(record, name));
}

static void
take_session(struct budget_checker *checker, const char *name, json_t *record) {
  const char *what = strchr(name, '/');
  char session[64];

  if (what == NULL)
    return;
  snprintf(session, sizeof(session), "%.*s", (int)(what - name), name);
  if (strcmp(what, "/plan") == 0) {
    set(checker->plans, session, record == NULL ? NULL : plan_needs(record));
    checker->changed = true;
  } else if (strcmp(what, "/owner") == 0) {
    set(checker->owners, session, json_incref(record));
  }
}

void
budget_checker_take(void *context, const char *key, const char *value, uint64_t revision) {
  struct budget_checker *checker = context;
  json_t *record = value == NULL ? NULL : json_loads(value, JSON_DECODE_ANY, NULL);

  if (key == NULL) {
    checker->missed++;
    return;
  }
  if (revision != checker->revision) {
    budget_checker_look(checker);
    checker->revisions++;
  }
  checker->revision = revision;
  if (strncmp(key, "/links/", 7) == 0)
    set(checker->links, key + 7, member_of(record, "bandwidth_bps"));
  else if (strncmp(key, "/egress/", 8) == 0)
    set(checker->egress, key + 8, member_of(record, "egress_bps"));
  else if (strncmp(key, "/sessions/", 10) == 0)
    take_session(checker, key + 10, record);
  if (strncmp(key, "/reserved/", 10) == 0) {
    set(checker->reserved, key + 10, json_incref(record));
    checker->changed = true;
  }
  json_decref(record);
}

bool
budget_checker_uses(const struct budget_checker *checker, const char *pop) {
  const char *from, *session, *name;
  json_t *shares, *share, *owner;

  json_object_foreach(checker->reserved, from, shares) {
    if (strcmp(from, pop) == 0)
      return true;
    json_object_foreach(shares, session, share) {
      if (json_object_get(json_object_get(share, "links"), pop) != NULL)
        return true;
    }
  }
  json_object_foreach(checker->owners, name, owner) {
    if (strcmp(json_string_value(owner), pop) == 0)
      return true;
  }
  return false;
}

bool
budget_checker_is_empty(const struct budget_checker *checker) {
  return json_object_size(checker->reserved) == 0;
}
