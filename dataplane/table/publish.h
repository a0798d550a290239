/* SPDX-License-Identifier: Apache-2.0 */
/* Makes what a batch staged visible to workers. */
#ifndef COPSE_PUBLISH_H
#define COPSE_PUBLISH_H

#include "table/model.h"

/* Allocates and fills all that publishing needs: the only part that can fail (-ENOMEM). */
int copse_prepare(struct copse_table *table);
/* Publishes the journal's slots and the next generation. Waits for workers only where a slot gets a new tenant. */
void copse_publish(struct copse_table *table);

#endif
