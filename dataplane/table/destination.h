/* SPDX-License-Identifier: Apache-2.0 */
/* Ready-made headers of links and members. */
#ifndef COPSE_DESTINATION_H
#define COPSE_DESTINATION_H

#include "table/model.h"

/* Builds the headers to a link or member from its record and its address's adjacency, and publishes them. */
void copse_destination_publish(struct copse_table *table, enum copse_object object, uint32_t slot);
/* Leaves nothing to send to. */
void copse_destination_unpublish(struct copse_table *table, enum copse_object object, uint32_t slot);

#endif
