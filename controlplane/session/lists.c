/* SPDX-License-Identifier: Apache-2.0 */
/* PoPs, links, drops and credit as docs/api.md shows them: any PoP shows all of it, from the store. */
#include "page.h"
#include "stats.h"
#include <stdlib.h>

/* ---- PoPs ---- */

static bool
add_name(struct copse_set *names, const char *name) {
  return copse_set_find(names, name) != NULL || copse_set_make(names, name, strlen(name) + 1) != NULL;
}

/* All PoPs: those that are alive, and those that are known as ends of links. */
static bool
gather_names(const struct copse_model *model, struct copse_set *names) {
  bool complete = true;

  for (size_t i = 0; i < model->pops.count; i++)
    complete &= add_name(names, model->pops.items[i]);
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];

    complete &= link->revision == 0 || (add_name(names, link->from) && add_name(names, link->to));
  }
  return complete;
}

static size_t
members_at(const struct copse_model *model, const char *pop) {
  size_t count = 0;

  for (size_t i = 0; i < model->sessions.count; i++) {
    const struct copse_session *session = model->sessions.items[i];

    for (size_t j = 0; j < session->members.count; j++) {
      const struct copse_member *member = session->members.items[j];

      count += member->revision != 0 && strcmp(member->record.pop, pop) == 0;
    }
  }
  return count;
}

static json_t *
pop_json(const struct copse_model *model, const char *name, uint64_t now_s) {
  const struct copse_pop *pop = copse_set_find(&model->pops, name);
  const struct copse_egress *egress = copse_set_find(&model->egress, name);
  const struct copse_stats_record *stats = copse_stats_now(model, name, now_s);
  char address[COPSE_ADDRESS_BYTES];
  json_t *json = json_pack(
    "{s:s, s:b, s:I, s:I, s:I, s:I}", "name", name, "alive", pop != NULL, "members",
    (json_int_t)members_at(model, name), "rx_bps", (json_int_t)(stats != NULL ? stats->rx_bps : 0), "tx_bps",
    (json_int_t)(stats != NULL ? stats->tx_bps : 0), "drops_pps", (json_int_t)(stats != NULL ? stats->drops_pps : 0));

  if (pop != NULL) {
    copse_endpoint_text(&pop->record.endpoint, address);
    json_object_set_new(json, "address", json_string(address));
    json_object_set_new(json, "port", json_integer(be16toh(pop->record.endpoint.port)));
    json_object_set_new(json, "api", json_string(pop->record.api));
  }
  if (egress != NULL)
    json_object_set_new(json, "egress_bps", json_integer((json_int_t)egress->record.egress_bps));
  return json;
}

void
copse_view_pops(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  uint64_t now_s = copse_control_wall() / 1000;
  struct copse_set names = {0};
  struct copse_page page;
  bool complete;

  copse_control_refresh(control);
  copse_page_begin(&page, query);
  complete = gather_names(&control->model, &names);
  for (size_t i = copse_set_after(&names, query->after); i < names.count; i++)
    if (!copse_page_add(&page, pop_json(&control->model, names.items[i], now_s), names.items[i], NULL))
      break;
  copse_set_free(&names, free);
  copse_page_answer(&page, "pops", answer);
  if (!complete)
    copse_answer_fail(answer, 503, NULL, "no memory");
}

/* ---- links ---- */

static json_t *
link_json(const struct copse_model *model, const struct copse_link *link, uint64_t now_s) {
  struct copse_link_now now;
  const uint64_t capacity_bps = copse_link_capacity(link);
  const uint64_t reserved_bps = link->reserved_bps;
  json_t *json;

  copse_stats_link(model, link->from, link->to, now_s, &now);
  json = json_pack("{s:s, s:s, s:I, s:I, s:b, s:I, s:I, s:f, s:s, s:I, s:I, s:I, s:I}", "from", link->from, "to",
                   link->to, "bandwidth_bps", (json_int_t)link->record.bandwidth_bps, "configured_bps",
                   (json_int_t)link->record.configured_bps, "overridden", link->record.overridden, "reserved_bps",
                   (json_int_t)reserved_bps, "over_bps",
                   (json_int_t)(reserved_bps > capacity_bps ? reserved_bps - capacity_bps : 0), "delay_ms",
                   link->record.delay_ms, "by", link->record.by, "bps", (json_int_t)now.bps, "bytes",
                   (json_int_t)now.bytes, "drops", (json_int_t)now.drops, "drops_pps", (json_int_t)now.drops_pps);
  if (now.loss_known)
    json_object_set_new(json, "loss", json_real(now.loss));
  if (link->measured_revision != 0)
    json_object_set_new(json, "measured", copse_measured_write(&link->measured));
  return json;
}

void
copse_view_links(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  const struct copse_set *links = &control->model.links;
  uint64_t now_s = copse_control_wall() / 1000;
  struct copse_page page;

  copse_control_refresh(control);
  copse_page_begin(&page, query);
  for (size_t i = copse_set_after(links, query->after); i < links->count; i++) {
    const struct copse_link *link = links->items[i];

    if (link->revision != 0 && !copse_page_add(&page, link_json(&control->model, link, now_s), link->name, NULL))
      break;
  }
  copse_page_answer(&page, "links", answer);
}

void
copse_view_link(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  const struct copse_link *link;

  copse_control_refresh(control);
  link = copse_set_find(&control->model.links, query->name);
  if (link == NULL || link->revision == 0) {
    copse_answer_fail(answer, 404, NULL, "no such link");
    return;
  }
  answer->revision = link->revision;
  copse_answer_body(answer, link_json(&control->model, link, copse_control_wall() / 1000));
}

/* ---- drops ---- */

void
copse_view_drops(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  const struct copse_set *all = &control->model.stats;
  struct copse_page page;

  copse_control_refresh(control);
  copse_page_begin(&page, query);
  for (size_t i = copse_set_after(all, query->after); i < all->count; i++) {
    const struct copse_pop_stats *stats = all->items[i];
    const struct copse_stats_record *record = &stats->record;
    json_t *item = json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "pop", stats->name, "at_s",
                             (json_int_t)record->at_s, "rx_packets", (json_int_t)record->rx_packets, "tx_packets",
                             (json_int_t)record->tx_packets, "drops_pps", (json_int_t)record->drops_pps, "packet_drops",
                             copse_packet_drops_json(record), "copy_drops", copse_copy_drops_json(record));

    if (!copse_page_add(&page, item, stats->name, NULL))
      break;
  }
  copse_page_answer(&page, "drops", answer);
}

/* ---- credit ---- */

void
copse_view_accounts(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  const struct copse_set *accounts = &control->model.accounts;
  struct copse_page page;

  copse_control_refresh(control);
  copse_page_begin(&page, query);
  for (size_t i = copse_set_after(accounts, query->after); i < accounts->count; i++) {
    const struct copse_account *account = accounts->items[i];
    json_t *item = copse_account_write(&account->record);

    json_object_set_new(item, "account", json_string(account->name));

    if (!copse_page_add(&page, item, account->name, NULL))
      break;
  }
  copse_page_answer(&page, "accounts", answer);
}

/* What a tree still holds of the account. */
static bool
add_grant(struct copse_page *page, const struct copse_session *session, const struct copse_tree_ledger *ledger,
          const char *account) {
  uint64_t bytes = 0;

  for (size_t i = 0; i < ledger->record.grant_count; i++)
    if (strcmp(ledger->record.grants[i].account, account) == 0)
      bytes += ledger->record.grants[i].bytes;
  if (bytes == 0)
    return true;
  return copse_page_add(page,
                        json_pack("{s:s, s:s, s:s, s:I}", "tree", ledger->id, "session", session->id, "root",
                                  ledger->record.root, "bytes", (json_int_t)bytes),
                        session->id, ledger->id);
}

static void
add_grants(struct copse_page *page, const struct copse_model *model, const struct copse_query *query) {
  char name[COPSE_SESSION_BYTES + COPSE_ID_BYTES];

  for (size_t i = 0; i < model->sessions.count; i++) {
    const struct copse_session *session = model->sessions.items[i];

    for (size_t j = 0; j < session->ledgers.count; j++) {
      const struct copse_tree_ledger *ledger = session->ledgers.items[j];

      snprintf(name, sizeof(name), "%s/%s", session->id, ledger->id);
      if (strcmp(name, query->after) > 0 && !add_grant(page, session, ledger, query->name))
        return;
    }
  }
}

void
copse_view_ledger(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  const struct copse_account *account;
  struct copse_page page;

  copse_control_refresh(control);
  account = copse_set_find(&control->model.accounts, query->name);
  if (account == NULL) {
    copse_answer_fail(answer, 404, NULL, "no such account");
    return;
  }
  copse_page_begin(&page, query);
  add_grants(&page, &control->model, query);
  copse_page_answer(&page, "grants", answer);
  json_object_update_new(answer->body, copse_account_write(&account->record));
  json_object_set_new(answer->body, "account", json_string(account->name));
}
