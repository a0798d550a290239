/* SPDX-License-Identifier: Apache-2.0 */
#include "table/retire.h"

#include <stdlib.h>

void
copse_retire(struct copse_table *table, struct copse_retired *retired) {
  retired->next = NULL;
  retired->token = rte_rcu_qsbr_start(table->view.rcu);
  *table->retired_last = retired;
  table->retired_last = &retired->next;
}

void
copse_reclaim(struct copse_table *table, bool final) {
  while (table->retired_first != NULL) {
    struct copse_retired *first = table->retired_first;
    if (!final && rte_rcu_qsbr_check(table->view.rcu, first->token, false) != 1)
      return;
    table->retired_first = first->next;
    if (table->retired_first == NULL)
      table->retired_last = &table->retired_first;
    free(first);
  }
}

void
copse_await_workers(struct copse_table *table, uint64_t token) {
  rte_rcu_qsbr_check(table->view.rcu, token, true);
}
