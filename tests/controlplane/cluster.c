/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"
#include "account.h"
#include "folder.h"
#include "session/holdings.h"
#include "session/state.h"
#include <copse/log.h>
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
write_network(FILE *out, const struct cluster *cluster, uint64_t link_bps) {
  fputs("network = {\n  pops = (", out);
  for (size_t i = 0; i < cluster->count; i++)
    fprintf(out, "%s{ name = \"N%zu\"; }", i == 0 ? "" : ", ", i + 1);
  fputs(");\n  links = (", out);
  for (size_t i = 0, written = 0; i < cluster->count; i++)
    for (size_t j = 0; j < cluster->count; j++)
      if (i != j)
        fprintf(out, "%s{ from = \"N%zu\"; to = \"N%zu\"; bandwidth_bps = %llu; }", written++ == 0 ? "" : ", ", i + 1,
                j + 1, (unsigned long long)link_bps);
  fputs(");\n};\n", out);
}

static void
write_store(FILE *out, const struct cluster *cluster) {
  if (cluster->etcd.count == 0)
    fprintf(out, "store = \"%s/store.db\";\n", cluster->folder);
  else
    fprintf(out, "store = \"etcd\"; etcd = { endpoints = (\"%s\"); timeout_ms = 5000; };\n",
            cluster->etcd.endpoints[0]);
}

static void
configure(struct cluster *cluster, size_t pop, uint64_t link_bps, const char *more) {
  struct copse_error error;
  char *text = NULL;
  size_t length;
  FILE *out = open_memstream(&text, &length);

  snprintf(cluster->pops[pop].name, sizeof(cluster->pops[pop].name), "N%u", (uint8_t)(pop + 1));
  fprintf(out,
          "pop = \"N%zu\"; dataplane = \"%s/N%zu.sock\"; state_dir = \"%s\";\n"
          "block_address = \"198.18.%zu.1\"; %s\n",
          pop + 1, cluster->folder, pop + 1, cluster->folder, pop + 1, more);
  write_store(out, cluster);
  write_network(out, cluster, link_bps);
  fclose(out);
  cr_assert_eq(copse_control_config_read_text(&cluster->pops[pop].config, "test", text, &error), 0, "%s", error.text);
  free(text);
}

void
cluster_pop_start(struct cluster *cluster, size_t pop) {
  struct copse_error error;

  cr_assert_eq(copse_control_start(&cluster->pops[pop].config, cluster->base, &cluster->pops[pop].control, &error), 0,
               "%s", error.text);
}

void
cluster_pop_stop(struct cluster *cluster, size_t pop) {
  copse_control_stop(cluster->pops[pop].control);
  cluster->pops[pop].control = NULL;
}

static bool
all_healthy(struct cluster *cluster, const char *argument) {
  (void)argument;
  for (size_t i = 0; i < cluster->count; i++)
    if (!copse_control_healthy(cluster->pops[i].control))
      return false;
  return true;
}

void
cluster_make(struct cluster *cluster, size_t count, uint64_t link_bps, const char *more, bool etcd) {
  struct copse_error error;
  char path[128];

  *cluster = (struct cluster){.count = count, .folder = "/tmp/copse-cluster-XXXXXX"};
  cr_assert_geq(sodium_init(), 0);
  copse_log_set_level(getenv("COPSE_TEST_LOG") != NULL ? COPSE_LOG_DEBUG : COPSE_LOG_ERROR);
  cr_assert_not_null(mkdtemp(cluster->folder));
  snprintf(path, sizeof(path), "%s/store.db", cluster->folder);
  if (etcd)
    etcd_cluster_start(&cluster->etcd, 1, NULL);
  cr_assert_eq(etcd ? copse_store_open_etcd(&cluster->etcd.config, &cluster->store, &error)
                    : copse_store_open(path, &cluster->store, &error),
               0, "%s", error.text);
  for (size_t i = 0; i < count; i++)
    configure(cluster, i, link_bps, more);
}

int
cluster_begin(struct cluster *cluster, size_t pop) {
  struct copse_error error;
  char path[128];

  if (cluster->base == NULL)
    cluster->base = event_base_new();
  snprintf(path, sizeof(path), "%s/N%zu.sock", cluster->folder, pop + 1);
  cluster->pops[pop].dataplane = fake_dataplane_create(cluster->base, path);
  return copse_control_start(&cluster->pops[pop].config, cluster->base, &cluster->pops[pop].control, &error);
}

void
cluster_start(struct cluster *cluster, size_t count, uint64_t link_bps, const char *more) {
  const char *store = getenv("COPSE_TEST_STORE");

  cluster_make(cluster, count, link_bps, more, store != NULL && strcmp(store, "etcd") == 0);
  for (size_t i = 0; i < count; i++)
    cr_assert_eq(cluster_begin(cluster, i), 0);
  cr_assert(cluster_until(cluster, all_healthy, NULL, 5000));
}

void
cluster_stop(struct cluster *cluster) {
  for (size_t i = 0; i < cluster->count; i++) {
    cluster_pop_stop(cluster, i);
    if (cluster->pops[i].dataplane != NULL)
      fake_dataplane_free(cluster->pops[i].dataplane);
    copse_control_config_free(&cluster->pops[i].config);
  }
  copse_model_free(&cluster->model);
  copse_store_close(cluster->store);
  if (cluster->base != NULL)
    event_base_free(cluster->base);
  etcd_cluster_stop(&cluster->etcd);
  folder_remove(cluster->folder);
}

void
cluster_run(struct cluster *cluster, unsigned ms) {
  for (uint64_t end = copse_control_now() + ms; copse_control_now() < end;) {
    event_base_loop(cluster->base, EVLOOP_NONBLOCK);
    usleep(500);
  }
}

bool
cluster_until(struct cluster *cluster, bool (*holds)(struct cluster *cluster, const char *argument),
              const char *argument, unsigned ms) {
  for (uint64_t end = copse_control_now() + ms; copse_control_now() < end;) {
    cluster_run(cluster, 10);
    if (holds(cluster, argument))
      return true;
  }
  return false;
}

struct copse_session *
cluster_session(struct cluster *cluster, const char *session) {
  uint64_t revision;

  cr_assert_eq(copse_model_load(&cluster->model, cluster->store, &revision), 0);
  return copse_model_session(&cluster->model, session);
}

void
cluster_put(struct cluster *cluster, const char *key, const char *value) {
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = value};

  cr_assert_eq(copse_store_commit(cluster->store, NULL, 0, &change, 1, NULL, NULL), 0);
}

void
cluster_account(struct cluster *cluster, const char *account, uint64_t credit_bytes) {
  char key[128], value[ACCOUNT_TEXT_BYTES];

  snprintf(key, sizeof(key), "/accounts/%s", account);
  cluster_put(cluster, key, account_text(value, credit_bytes, 0));
}

void
cluster_session_text(char *text, size_t bytes, uint32_t blocks, const char *state) {
  snprintf(text, bytes,
           "{\"manifest\":{\"name\":\"f\",\"size\":%llu,\"block_bytes\":16384,\"root\":\"%064x\"},"
           "\"creator\":\"\",\"state\":\"%s\"}",
           (unsigned long long)blocks * 16384, 7U, state);
}

void
cluster_make_session(struct cluster *cluster, const char *id, uint32_t blocks) {
  char key[64], value[512];

  snprintf(key, sizeof(key), "/sessions/%s", id);
  cluster_session_text(value, sizeof(value), blocks, "open");
  cluster_put(cluster, key, value);
}

char *
cluster_join_from(struct cluster *cluster, size_t pop, const char *address, const char *session, const char *account,
                  bool seed, int *status) {
  struct copse_caller caller = {.role = COPSE_ROLE_ACCOUNT};
  struct copse_answer answer = {0};
  char *member = NULL;
  json_t *body;

  snprintf(caller.account, sizeof(caller.account), "%s", account);
  body = json_pack("{s:s, s:i, s:i, s:i, s:i, s:b}", "address", address, "port", 40000, "http_port", 40001,
                   "uplink_bps", 20000000, "downlink_bps", 70000000, "seed", seed);
  copse_member_join(cluster->pops[pop].control, &caller, session, body, &answer);
  json_decref(body);
  if (status != NULL)
    *status = answer.status;
  if (answer.status == 201)
    member = strdup(json_string_value(json_object_get(answer.body, "member")));
  else if (status == NULL)
    cr_assert_fail("join: %d %s", answer.status, answer.error.text);
  json_decref(answer.body);
  return member;
}

char *
cluster_join(struct cluster *cluster, size_t pop, const char *session, const char *account, unsigned number, bool seed,
             int *status) {
  char address[32];

  snprintf(address, sizeof(address), "198.18.%zu.%u", pop + 1, number + 10);
  return cluster_join_from(cluster, pop, address, session, account, seed, status);
}

json_t *
cluster_sync(struct cluster *cluster, size_t pop, const char *session, const char *account, const char *member,
             const char *text, int *status) {
  struct copse_caller caller = {.role = COPSE_ROLE_ACCOUNT};
  struct copse_answer answer = {0};
  json_t *body = json_loads(text, 0, NULL);

  snprintf(caller.account, sizeof(caller.account), "%s", account);
  copse_member_sync(cluster->pops[pop].control, &caller, session, member, body, &answer);
  json_decref(body);
  if (status != NULL)
    *status = answer.status;
  else
    cr_assert_eq(answer.status, 200, "sync: %d %s", answer.status, answer.error.text);
  return answer.body;
}

/* What the plan of the session needs, no more and no less, is reserved for it. */
static bool
holds_what_it_needs(const struct cluster *cluster, const struct copse_session *session) {
  struct copse_holdings holdings;
  bool same = true;

  cr_assert_eq(copse_holdings_create(&holdings, &cluster->model, session, NULL), 0);
  copse_holdings_add_plan(&holdings, &session->plan);
  for (size_t i = 0; i < cluster->model.links.count; i++) {
    const struct copse_link *link = cluster->model.links.items[i];

    same &= copse_holdings_link(&holdings, link->from, link->to) ==
            link->reserved_bps - copse_link_held_by_others(&cluster->model, link, session);
  }
  copse_holdings_free(&holdings);
  return same;
}

bool
cluster_is_not_oversold(struct cluster *cluster) {
  bool fine = true;

  cluster_session(cluster, "");
  for (size_t i = 0; i < cluster->model.links.count; i++) {
    const struct copse_link *link = cluster->model.links.items[i];

    fine &= link->reserved_bps <= link->record.bandwidth_bps;
  }
  for (size_t i = 0; i < cluster->model.sessions.count; i++)
    fine &= holds_what_it_needs(cluster, cluster->model.sessions.items[i]);
  return fine;
}

bool
cluster_ledger_is_balanced(struct cluster *cluster) {
  uint64_t leased = 0, grants = 0;

  cluster_session(cluster, "");
  for (size_t i = 0; i < cluster->model.accounts.count; i++) {
    const struct copse_account *account = cluster->model.accounts.items[i];

    if (copse_account_residual(&account->record) != 0)
      return false;
    leased += account->record.bytes[COPSE_BOOK_LEASED];
  }
  for (size_t i = 0; i < cluster->model.sessions.count; i++) {
    const struct copse_session *session = cluster->model.sessions.items[i];

    for (size_t j = 0; j < session->ledgers.count; j++) {
      const struct copse_tree_ledger *ledger = session->ledgers.items[j];
      uint64_t accounted = ledger->record.charged_bytes + ledger->record.lost_bytes;

      for (size_t k = 0; k < ledger->record.grant_count; k++) {
        grants += ledger->record.grants[k].bytes;
        accounted += ledger->record.grants[k].bytes;
      }
      if (accounted != ledger->record.granted_bytes)
        return false;
    }
  }
  return leased == grants;
}
