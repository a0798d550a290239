/* SPDX-License-Identifier: Apache-2.0 */
/* What a PoP says of itself and of its configuration when it starts. */
#include "cluster.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define POPS 20
#define CHANGES (POPS * (POPS - 1) + POPS) /* links, and `/budgets/U` of each PoP */

static struct cluster cluster;

static void
stop(void) {
  cluster_stop(&cluster);
}

TestSuite(presence, .fini = stop, .timeout = 60);

/* The cluster's only PoP, in a network of many. */
static void
configure(void) {
  struct copse_control_config *config = &cluster.pops[0].config;
  struct copse_error error;
  char *text = NULL;
  size_t length;
  FILE *out = open_memstream(&text, &length);

  fprintf(out, "pop = \"N1\"; dataplane = \"%s/N1.sock\"; state_dir = \"%s\"; block_address = \"198.18.1.1\";\n",
          cluster.folder, cluster.folder);
  if (cluster.etcd.count == 0)
    fprintf(out, "store = \"%s/store.db\";\n", cluster.folder);
  else
    fprintf(out, "store = \"etcd\"; etcd = { endpoints = (\"%s\"); };\n", cluster.etcd.endpoints[0]);
  fputs("network = { pops = (", out);
  for (int i = 1; i <= POPS; i++)
    fprintf(out, "%s{ name = \"N%d\"; }", i == 1 ? "" : ", ", i);
  fputs("); links = (", out);
  for (int i = 0; i < POPS * POPS; i++)
    if (i / POPS != i % POPS)
      fprintf(out, "%s{ from = \"N%d\"; to = \"N%d\"; bandwidth_bps = 1000000; }", i == 1 ? "" : ", ", i / POPS + 1,
              i % POPS + 1);
  fputs("); };\n", out);
  fclose(out);
  copse_control_config_free(config);
  cr_assert_eq(copse_control_config_read_text(config, "test", text, &error), 0, "%s", error.text);
  free(text);
}

static int
compare_numbers(const void *a, const void *b) {
  const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

  return left < right ? -1 : left > right;
}

Test(presence, budgets_come_in_few_transactions) {
  const char *store = getenv("COPSE_TEST_STORE");
  uint64_t revisions[POPS * POPS];
  size_t count = 0, transactions = 0;

  cluster_make(&cluster, 1, 1000000, "", store != NULL && strcmp(store, "etcd") == 0);
  configure();
  cr_assert_eq(cluster_begin(&cluster, 0), 0);
  cluster_session(&cluster, "");
  for (size_t i = 0; i < cluster.model.links.count; i++)
    if (copse_link_configured(cluster.model.links.items[i]))
      revisions[count++] = ((const struct copse_link *)cluster.model.links.items[i])->revision;
  cr_assert_eq(count, POPS * (POPS - 1), "all of them");
  qsort(revisions, count, sizeof(*revisions), compare_numbers);
  for (size_t i = 0; i < count; i++)
    transactions += i == 0 || revisions[i] != revisions[i - 1];
  cr_expect_leq(transactions, CHANGES / 126 + 1, "%zu transactions", transactions);
}
