/* SPDX-License-Identifier: Apache-2.0 */
/* A table with something of everything, for the tests of the table. */
#ifndef COPSE_TEST_TABLE_FIXTURE_H
#define COPSE_TEST_TABLE_FIXTURE_H

#include "builder.h"
#include "table/layout.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

extern struct copse_table *table;
extern struct builder batch;
/* Links 1 and 0, members 3 and 2. */
extern const struct copse_api_hop hops[4];

void table_start(void);
void table_stop(void);

/* Two links, three members, a root, and a tree whose parent is link 0's end. */
void fill(void);
/* The table's dump is still this. */
void assert_same_dump(const struct copse_table *a, const void *body, size_t bytes, const char *what);

#endif
