/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus text of this PoP: the dataplane's counters as they are, and what its trees, links and members carry. */
#include "state.h"
#include <inttypes.h>

void
copse_metrics_head(FILE *out, const char *name, const char *type, const char *help) {
  fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
single(FILE *out, const char *name, const char *type, const char *help, uint64_t value) {
  copse_metrics_head(out, name, type, help);
  fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void
write_drops(FILE *out, const struct copse_worker_counters *counters) {
  copse_metrics_head(out, "copse_packet_drops_total", "counter", "Received packets dropped, by reason.");
  for (size_t i = 0; i < COPSE_PACKET_DROP_COUNT; i++)
    fprintf(out, "copse_packet_drops_total{reason=\"%s\"} %" PRIu64 "\n", copse_packet_drop_names[i],
            counters->packet_drops[i]);
  copse_metrics_head(out, "copse_copy_drops_total", "counter", "Copies owed and not sent, by reason.");
  for (size_t i = 0; i < COPSE_COPY_DROP_COUNT; i++)
    fprintf(out, "copse_copy_drops_total{reason=\"%s\"} %" PRIu64 "\n", copse_copy_drop_names[i],
            counters->copy_drops[i]);
}

/* What came in less what became of it; 0 when nothing is lost track of. Workers count while we read, so a small value
 * may show for a moment under load. */
static void
write_conservation(FILE *out, const struct copse_worker_counters *counters) {
  uint64_t packets = counters->admitted + counters->handshakes, copies = counters->copies_sent;

  for (size_t i = 0; i < COPSE_PACKET_DROP_COUNT; i++)
    packets += counters->packet_drops[i];
  for (size_t i = 0; i < COPSE_COPY_DROP_COUNT; i++)
    copies += counters->copy_drops[i];
  copse_metrics_head(out, "copse_conservation_residual", "gauge", "Packets or copies in less those accounted for.");
  fprintf(out, "copse_conservation_residual{of=\"packets\"} %" PRId64 "\n", (int64_t)(counters->rx_packets - packets));
  fprintf(out, "copse_conservation_residual{of=\"copies\"} %" PRId64 "\n", (int64_t)(counters->copies_due - copies));
}

static void
write_workers(FILE *out, const struct copse_counters *mapped) {
  struct copse_worker_counters counters;

  copse_counters_workers(mapped, &counters);
  single(out, "copse_rx_packets_total", "counter", "Frames received.", counters.rx_packets);
  single(out, "copse_rx_bytes_total", "counter", "Bytes of frames received, without FCS.", counters.rx_bytes);
  single(out, "copse_tx_packets_total", "counter", "Frames handed to a port.", counters.tx_packets);
  single(out, "copse_tx_bytes_total", "counter", "Bytes of frames handed to a port.", counters.tx_bytes);
  single(out, "copse_handshakes_total", "counter", "HELLO and RESPONSE packets accepted.", counters.handshakes);
  single(out, "copse_admitted_total", "counter", "Packets that reached a tree.", counters.admitted);
  single(out, "copse_copies_due_total", "counter", "Copies owed.", counters.copies_due);
  single(out, "copse_copies_sent_total", "counter", "Copies sent.", counters.copies_sent);
  single(out, "copse_polls_total", "counter", "Rounds of the workers.", counters.polls);
  single(out, "copse_busy_polls_total", "counter", "Rounds with packets.", counters.busy_polls);
  single(out, "copse_busy_cycles_total", "counter", "TSC cycles spent in rounds with packets.", counters.busy_cycles);
  single(out, "copse_sleeps_total", "counter", "Times a worker slept.", counters.sleeps);
  single(out, "copse_tsc_hz", "gauge", "TSC cycles per second.", copse_counters_tsc_hz(mapped));
  write_drops(out, &counters);
  write_conservation(out, &counters);
}

/* The session a tree of the dataplane belongs to; "" when only it is left. */
static const char *
session_of_tree(const struct copse_control *control, const char *tree, const char **root) {
  for (size_t i = 0; i < control->model.sessions.count; i++) {
    const struct copse_session *session = control->model.sessions.items[i];
    const struct copse_planned_tree *planned = copse_session_tree(session, tree);

    *root = planned == NULL ? "" : planned->root;
    if (planned != NULL)
      return session->id;
  }
  return "";
}

static void
write_trees(FILE *out, const struct copse_control *control, const struct copse_counters *mapped) {
  static const struct {
    const char *name, *help;
    size_t offset;
  } fields[] = {
    {"copse_tree_packets_total", "Packets admitted to a tree.", offsetof(struct copse_tree_counters, packets)},
    {"copse_tree_bytes_total", "Layer 3 bytes admitted to a tree.", offsetof(struct copse_tree_counters, bytes)},
    {"copse_tree_green_total", "Packets within the committed rate.", offsetof(struct copse_tree_counters, green)},
    {"copse_tree_yellow_total", "Packets up to the peak rate.", offsetof(struct copse_tree_counters, yellow)},
    {"copse_tree_copies_due_total", "Copies owed.", offsetof(struct copse_tree_counters, copies_due)},
    {"copse_tree_copies_sent_total", "Copies sent.", offsetof(struct copse_tree_counters, copies_sent)},
  };
  const struct copse_set *trees = &control->nodes.shadow.trees;

  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    copse_metrics_head(out, fields[i].name, "counter", fields[i].help);
    for (size_t j = 0; j < trees->count; j++) {
      const struct copse_shadow_tree *tree = trees->items[j];
      struct copse_tree_counters counters;
      const char *root = "", *session = session_of_tree(control, tree->id, &root);
      uint64_t value;

      copse_counters_tree(mapped, tree->set.slot, &counters);
      memcpy(&value, (const char *)&counters + fields[i].offset, sizeof(value));
      fprintf(out, "%s{tree=\"%s\",session=\"%s\",root=\"%s\"} %" PRIu64 "\n", fields[i].name, tree->id, session, root,
              value);
    }
  }
  copse_metrics_head(out, "copse_tree_peak_bps", "gauge", "Rate a tree rooted here may not exceed.");
  for (size_t j = 0; j < trees->count; j++) {
    const struct copse_shadow_tree *tree = trees->items[j];

    if (tree->set.label == COPSE_LABEL_NONE)
      fprintf(out, "copse_tree_peak_bps{tree=\"%s\"} %" PRIu64 "\n", tree->id, tree->set.peak_bps);
  }
}

static void
write_links(FILE *out, const struct copse_control *control, const struct copse_counters *mapped) {
  const struct copse_set *links = &control->nodes.shadow.links;
  static const char *const names[] = {"copse_link_packets_total", "copse_link_bytes_total", "copse_link_drops_total",
                                      "copse_link_yellow_drops_total"};
  static const char *const helps[] = {"Copies sent over a link.", "Layer 3 bytes of copies sent over a link.",
                                      "Copies above the link's budget.", "Those of them that were yellow."};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    copse_metrics_head(out, names[i], "counter", helps[i]);
    for (size_t j = 0; j < links->count; j++) {
      const struct copse_shadow_link *link = links->items[j];
      struct copse_link_counters counters;

      copse_counters_link(mapped, link->set.slot, &counters);
      fprintf(out, "%s{from=\"%s\",to=\"%s\"} %" PRIu64 "\n", names[i], control->config->pop, link->name,
              (const uint64_t[]){counters.packets, counters.bytes, counters.drops, counters.yellow_drops}[i]);
    }
  }
  copse_metrics_head(out, "copse_link_budget_bps", "gauge", "Budget of a link for peers' traffic.");
  for (size_t j = 0; j < links->count; j++) {
    const struct copse_shadow_link *link = links->items[j];

    fprintf(out, "copse_link_budget_bps{from=\"%s\",to=\"%s\"} %" PRIu64 "\n", control->config->pop, link->name,
            link->set.budget_bps);
  }
}

/* Sums: a series per peer would be too many. */
static void
write_members(FILE *out, const struct copse_control *control, const struct copse_counters *mapped) {
  const struct copse_set *members = &control->nodes.shadow.members;
  struct copse_member_counters sum = {0};

  for (size_t i = 0; i < members->count; i++) {
    struct copse_member_counters one;

    copse_counters_member(mapped, ((const struct copse_shadow_member *)members->items[i])->set.slot, &one);
    sum.rx_packets += one.rx_packets;
    sum.rx_bytes += one.rx_bytes;
    sum.tx_packets += one.tx_packets;
    sum.tx_bytes += one.tx_bytes;
  }
  single(out, "copse_members_rx_packets", "gauge", "Packets admitted from the present members.", sum.rx_packets);
  single(out, "copse_members_rx_bytes", "gauge", "Layer 3 bytes admitted from the present members.", sum.rx_bytes);
  single(out, "copse_members_tx_packets", "gauge", "Copies sent to the present members.", sum.tx_packets);
  single(out, "copse_members_tx_bytes", "gauge", "Layer 3 bytes of copies sent to the present members.", sum.tx_bytes);
}

static void
write_sessions(FILE *out, const struct copse_control *control) {
  uint64_t open = 0, finished = 0, owned = 0;

  for (size_t i = 0; i < control->model.sessions.count; i++) {
    const struct copse_session *session = control->model.sessions.items[i];

    open += session->revision != 0 && !session->finished;
    finished += session->revision != 0 && session->finished;
    owned += strcmp(session->owner, control->config->pop) == 0;
  }
  copse_metrics_head(out, "copse_sessions", "gauge", "Sessions in the store, by state.");
  fprintf(out, "copse_sessions{state=\"open\"} %" PRIu64 "\ncopse_sessions{state=\"finished\"} %" PRIu64 "\n", open,
          finished);
  single(out, "copse_sessions_owned", "gauge", "Sessions this PoP plans.", owned);
}

/* Bytes by book, and two differences that are zero whatever happens: of what is in the books and what came out of the
 * sources, and of what accounts have leased and what trees have been granted. */
static void
write_ledger(FILE *out, const struct copse_model *model) {
  uint64_t sums[COPSE_BOOK_COUNT] = {0}, grants = 0;
  int64_t residual = 0;

  for (size_t i = 0; i < model->accounts.count; i++) {
    const struct copse_account *account = model->accounts.items[i];

    residual += copse_account_residual(&account->record);
    for (int book = 0; book < COPSE_BOOK_COUNT; book++)
      sums[book] += account->record.bytes[book];
  }
  for (size_t i = 0; i < model->sessions.count; i++) {
    const struct copse_session *session = model->sessions.items[i];

    for (size_t j = 0; j < session->ledgers.count; j++) {
      const struct copse_tree_ledger *ledger = session->ledgers.items[j];

      grants += copse_tree_record_leased(&ledger->record);
    }
  }
  copse_metrics_head(out, "copse_ledger_bytes", "gauge", "Bytes of all accounts, by book.");
  for (int book = 0; book < COPSE_BOOK_COUNT; book++)
    fprintf(out, "copse_ledger_bytes{book=\"%s\"} %" PRIu64 "\n", copse_book_names[book], sums[book]);
  copse_metrics_head(out, "copse_ledger_residual_bytes", "gauge",
                     "Books less sources, leased bytes less grants of trees: zero.");
  fprintf(out, "copse_ledger_residual_bytes{of=\"books\"} %" PRId64 "\n", residual);
  fprintf(out, "copse_ledger_residual_bytes{of=\"leases\"} %" PRId64 "\n", (int64_t)(sums[COPSE_BOOK_LEASED] - grants));
}

void
copse_control_metrics(struct copse_control *control, FILE *out) {
  const struct copse_counters *mapped = copse_dataplane_counters(control->dataplane);

  single(out, "copse_store_up", "gauge", "The store answers.", control->store_status == 0);
  single(out, "copse_dataplane_up", "gauge", "The dataplane is connected and its table is known.",
         control->nodes.state >= COPSE_NODES_READY);
  single(out, "copse_table_trees", "gauge", "Trees in the dataplane's table.", control->nodes.shadow.trees.count);
  single(out, "copse_table_members", "gauge", "Members in the dataplane's table.", control->nodes.shadow.members.count);
  single(out, "copse_table_links", "gauge", "Links in the dataplane's table.", control->nodes.shadow.links.count);
  write_sessions(out, control);
  write_ledger(out, &control->model);
  copse_measure_metrics(control, out);
  if (mapped == NULL || control->nodes.state < COPSE_NODES_READY)
    return;
  write_workers(out, mapped);
  write_trees(out, control, mapped);
  write_links(out, control, mapped);
  write_members(out, control, mapped);
}
