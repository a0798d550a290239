/* SPDX-License-Identifier: Apache-2.0 */
/* Items of the API's lists as tables. */
#ifndef COPSE_ROWS_H
#define COPSE_ROWS_H

#include "table.h"
#include <jansson.h>
#include <stdint.h>

/* A field as number or text; 0 and "" when it is not there. */
uint64_t number_of(const json_t *item, const char *name);
const char *text_of(const json_t *item, const char *name);
/* `part` of `whole`, 0 when there is no whole. */
double share_of(uint64_t part, uint64_t whole);

/* Fill tables, which are to be freed. `list` is an array of items; where the first one has a "verdict" (of why), trees
 * and peers show what holds them. */
void pops_table(const json_t *list, const struct look *look, struct table *table);
void links_table(const json_t *list, const struct look *look, struct table *table);
void sessions_table(const json_t *list, const struct look *look, struct table *table);
void trees_table(const json_t *list, const struct look *look, struct table *table);
void peers_table(const json_t *list, const struct look *look, struct table *table);
void accounts_table(const json_t *list, const struct look *look, struct table *table);
void grants_table(const json_t *list, const struct look *look, struct table *table);
void drops_table(const json_t *list, const struct look *look, struct table *table);

#endif
