/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"
#include "state.h"

void
copse_page_begin(struct copse_page *page, const struct copse_query *query) {
  *page = (struct copse_page){.items = json_array(), .limit = query->limit};
}

bool
copse_page_add(struct copse_page *page, json_t *item, const char *first, const char *second) {
  page->more = json_array_size(page->items) >= page->limit;
  if (page->more) {
    json_decref(item);
    return false;
  }
  json_array_append_new(page->items, item);
  snprintf(page->last, sizeof(page->last), second == NULL ? "%s" : "%s/%s", first, second);
  return true;
}

void
copse_page_answer(struct copse_page *page, const char *what, struct copse_answer *answer) {
  json_t *body = json_pack("{s:o}", what, page->items);

  if (body != NULL && page->more)
    json_object_set_new(body, "next", json_string(page->last));
  copse_answer_body(answer, body);
}

void
copse_answer_body(struct copse_answer *answer, json_t *body) {
  answer->status = 200;
  answer->body = body;
  if (body == NULL)
    copse_answer_fail(answer, 503, NULL, "no memory");
}
