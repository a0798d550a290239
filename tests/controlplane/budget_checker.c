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

static json_int_t
sum_of(json_t *rates) {
  json_int_t sum = 0;
  const char *holder;
  json_t *rate;

  json_object_foreach(rates, holder, rate) {
    sum += json_integer_value(rate);
  }
  return sum;
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
check_budgets(struct budget_checker *checker) {
  json_t *egress = json_object(), *rates, *budget;
  const char *name;

  json_object_foreach(checker->reserved, name, rates) {
    char from[64];
    json_int_t sold = sum_of(rates);

    check_sold(checker, name, sold, json_integer_value(json_object_get(checker->links, name)));
    snprintf(from, sizeof(from), "%.*s", (int)strcspn(name, "/"), name);
    json_object_set_new(egress, from, json_integer(json_integer_value(json_object_get(egress, from)) + sold));
  }
  json_object_foreach(checker->egress, name, budget) {
    check_sold(checker, name, json_integer_value(json_object_get(egress, name)), json_integer_value(budget));
  }
  json_decref(egress);
}

/* All that plans hold, as it should be reserved. */
static void
check_holdings(struct budget_checker *checker) {
  json_t *held = json_object(), *plan, *rates;
  const char *session, *link;

  json_object_foreach(checker->plans, session, plan) {
    json_object_foreach(plan, link, rates) {
      json_t *sum = json_object_get(held, link);

      if (sum == NULL)
        json_object_set_new(held, link, json_copy(rates));
      else
        json_object_update(sum, rates);
    }
  }
  if (!json_equal(held, checker->reserved))
    violation(checker, "revision %llu: reservations are not what plans hold", (unsigned long long)checker->revision);
  json_decref(held);
}

void
budget_checker_look(struct budget_checker *checker) {
  if (checker->changed) {
    check_budgets(checker);
    check_holdings(checker);
    checker->reservations++;
  }
  checker->changed = false;
}

/* A root holds on a link the most that any of its trees needs there: only one of them carries at a time. */
static void
hold(json_t *holdings, const char *session, json_t *tree) {
  json_t *rate = json_object_get(tree, "rate_bps"), *edge;
  size_t i;

  json_array_foreach(json_object_get(tree, "edges"), i, edge) {
    char link[128], holder[128];
    json_t *rates;

    snprintf(link, sizeof(link), "%s/%s", json_string_value(json_object_get(edge, "from")),
             json_string_value(json_object_get(edge, "to")));
    snprintf(holder, sizeof(holder), "%s/%s", session, json_string_value(json_object_get(tree, "root")));
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
holdings_of(const char *session, json_t *record) {
  json_t *holdings = json_object(), *tree;
  size_t i;

  json_array_foreach(json_object_get(record, "trees"), i, tree) {
    hold(holdings, session, tree);
  }
  json_array_foreach(json_object_get(record, "leaving"), i, tree) {
    hold(holdings, session, tree);
  }
  return holdings;
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
    set(checker->plans, session, record == NULL ? NULL : holdings_of(session, record));
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
  size_t length = strlen(pop);
  json_t *rates, *owner;
  const char *name;

  json_object_foreach(checker->reserved, name, rates) {
    const char *to = strchr(name, '/') + 1;

    if (strcmp(to, pop) == 0 || (strncmp(name, pop, length) == 0 && name[length] == '/'))
      return true;
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
