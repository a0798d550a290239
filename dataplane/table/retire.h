/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that was replaced waits here until no worker can see it. */
#ifndef COPSE_RETIRE_H
#define COPSE_RETIRE_H

#include "table/model.h"

/* Takes memory from malloc that starts with `retired` and has no way left to be found. */
void copse_retire(struct copse_table *table, struct copse_retired *retired);
/* Frees what may be freed; all of it if no worker runs any more (`final`). */
void copse_reclaim(struct copse_table *table, bool final);
/* Waits until every worker has left what it could see at `token`. */
void copse_await_workers(struct copse_table *table, uint64_t token);

#endif
