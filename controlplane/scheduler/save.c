/* SPDX-License-Identifier: Apache-2.0 */
/* {"blocks": 3052, "injected": [{"audience": 7, "blocks": [[0, 64]]}],
 *  "ordered": [{"member": "<16 hex>", "touched_ms": 1, "open": [[64, 9]], "again": []}]} */
#include "scheduler.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *
ranges_json(const struct copse_ranges *set) {
  json_t *array = json_array();

  for (size_t i = 0; i < set->count; i++)
    json_array_append_new(array, json_pack("[II]", (json_int_t)set->items[i].first, (json_int_t)set->items[i].count));
  return array;
}

static json_t *
waves_json(const struct copse_scheduler *scheduler) {
  json_t *array = json_array();

  for (size_t i = 0; i < scheduler->wave_count; i++)
    json_array_append_new(array, json_pack("{sI so}", "audience", (json_int_t)scheduler->waves[i].audience, "blocks",
                                           ranges_json(&scheduler->waves[i].blocks)));
  return array;
}

char *
copse_scheduler_save(const struct copse_scheduler *scheduler) {
  json_t *ordered = json_array(), *root;
  char *text;

  for (size_t i = 0; i < scheduler->ordered_count; i++) {
    const struct copse_ordered *entry = &scheduler->ordered[i];
    char member[17];
    snprintf(member, sizeof(member), "%016" PRIx64, entry->member);
    json_array_append_new(ordered,
                          json_pack("{ss sI so so}", "member", member, "touched_ms", (json_int_t)entry->touched_ms,
                                    "open", ranges_json(&entry->open), "again", ranges_json(&entry->again)));
  }
  root = json_pack("{sI so so}", "blocks", (json_int_t)scheduler->blocks, "injected", waves_json(scheduler), "ordered",
                   ordered);
  text = root ? json_dumps(root, JSON_COMPACT) : NULL;
  json_decref(root);
  return text;
}

/* Takes the ranges from the free blocks; false if one of them is not free, is empty, or is no range. */
static bool
load_ranges(struct copse_scheduler *scheduler, const json_t *array, struct copse_ranges *set) {
  const json_t *element;
  size_t i;

  json_array_foreach(array, i, element) {
    json_int_t first, count;
    struct copse_range part;
    if (json_unpack((json_t *)element, "[II!]", &first, &count) != 0 || first < 0 || count < 1 || first > UINT32_MAX ||
        count > UINT32_MAX)
      return false;
    const struct copse_range range = {(uint32_t)first, (uint32_t)count};
    if (!copse_ranges_first_within(&scheduler->free, range, &part) || part.first != range.first ||
        part.count != range.count || !copse_ranges_move(&scheduler->free, set, range))
      return false;
  }
  return true;
}

static bool
load_waves(struct copse_scheduler *scheduler, const json_t *array) {
  const json_t *element;
  size_t i;

  json_array_foreach(array, i, element) {
    json_int_t audience;
    json_t *blocks;
    struct copse_wave *wave;
    if (json_unpack((json_t *)element, "{sI so!}", "audience", &audience, "blocks", &blocks) != 0 || audience < 0 ||
        !json_is_array(blocks) || json_array_size(blocks) == 0)
      return false;
    wave = copse_scheduler_wave(scheduler, (uint64_t)audience);
    if (!wave || wave->blocks.count > 0 || !load_ranges(scheduler, blocks, &wave->blocks))
      return false;
  }
  return true;
}

static bool
load_member(const char *text, uint64_t *member) {
  if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
    return false;
  *member = strtoull(text, NULL, 16);
  return true;
}

static bool
load_ordered(struct copse_scheduler *scheduler, const json_t *array) {
  const json_t *element;
  size_t i;

  json_array_foreach(array, i, element) {
    const char *member_text;
    json_int_t touched_ms;
    json_t *open, *again;
    uint64_t member;
    struct copse_ordered *entry;
    if (json_unpack((json_t *)element, "{ss sI so so!}", "member", &member_text, "touched_ms", &touched_ms, "open",
                    &open, "again", &again) != 0 ||
        touched_ms < 0 || !load_member(member_text, &member) || !json_is_array(open) || !json_is_array(again) ||
        json_array_size(open) + json_array_size(again) == 0)
      return false;
    entry = copse_scheduler_entry(scheduler, member, (uint64_t)touched_ms);
    if (!entry || entry->open.count > 0 || entry->again.count > 0 || !load_ranges(scheduler, open, &entry->open) ||
        !load_ranges(scheduler, again, &entry->again))
      return false;
  }
  return true;
}

struct copse_scheduler *
copse_scheduler_load(const char *text) {
  json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *injected, *ordered;
  struct copse_scheduler *scheduler = NULL;
  json_int_t blocks;

  if (json_unpack(root, "{sI so so!}", "blocks", &blocks, "injected", &injected, "ordered", &ordered) == 0 &&
      blocks > 0 && blocks <= UINT32_MAX && json_is_array(injected) && json_is_array(ordered))
    scheduler = copse_scheduler_create((uint32_t)blocks);
  if (scheduler && (!load_waves(scheduler, injected) || !load_ordered(scheduler, ordered))) {
    copse_scheduler_free(scheduler);
    scheduler = NULL;
  }
  json_decref(root);
  return scheduler;
}
