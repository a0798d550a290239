/* SPDX-License-Identifier: Apache-2.0 */
/* One page of a list in the making. */
#ifndef COPSE_PAGE_H
#define COPSE_PAGE_H

#include "control.h"

struct copse_page {
  json_t *items;
  size_t limit;
  bool more;
  char last[192]; /* name of the last item */
};

void copse_page_begin(struct copse_page *page, const struct copse_query *query);
/* Takes the item over; its name is `first`, or `first`/`second`. False when the page was full: there are more. */
bool copse_page_add(struct copse_page *page, json_t *item, const char *first, const char *second);
/* 200 {"what": items, "next"}. */
void copse_page_answer(struct copse_page *page, const char *what, struct copse_answer *answer);

/* 200 with a body it takes over, 503 without memory for it. */
void copse_answer_body(struct copse_answer *answer, json_t *body);

#endif
