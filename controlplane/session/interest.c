/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks a member still wants, told to the dataplane so that it sends no others: at most once a second and member, only
 * the words that have changed. */
#include "state.h"
#include <sodium.h>
#include <stdlib.h>

#define TELL_MS 1000

static uint32_t
words_of(uint32_t blocks) {
  return (blocks + 63) / 64;
}

/* Word `index` of what is wanted: the complement of what is there, nothing beyond the last block. */
static uint64_t
wanted_word(const uint8_t *have, uint32_t blocks, uint32_t index) {
  uint64_t word = 0;

  for (uint32_t bit = 0; bit < 64 && index * 64 + bit < blocks; bit++) {
    uint32_t block = index * 64 + bit;

    if ((have[block / 8] >> block % 8 & 1) == 0)
      word |= 1ULL << bit;
  }
  return word;
}

static bool
prepare(struct copse_member_local *local, uint32_t blocks) {
  if (local->wanted != NULL)
    return true;
  local->wanted = calloc(words_of(blocks), sizeof(*local->wanted));
  local->wanted_blocks = blocks;
  return local->wanted != NULL;
}

bool
copse_interest_take(struct copse_member *member, const char *bitmap, uint32_t blocks) {
  struct copse_member_local *local = &member->local;
  size_t bytes = ((size_t)blocks + 7) / 8, length;
  uint8_t *have = malloc(bytes);

  if (have == NULL ||
      sodium_base642bin(have, bytes, bitmap, strlen(bitmap), NULL, &length, NULL, sodium_base64_VARIANT_ORIGINAL) < 0 ||
      length != bytes || !prepare(local, blocks)) {
    free(have);
    return false;
  }
  for (uint32_t i = 0; i < words_of(blocks); i++) {
    uint64_t word = wanted_word(have, blocks, i);

    if (word == local->wanted[i])
      continue;
    local->wanted[i] = word;
    if (local->dirty_first == local->dirty_end)
      local->dirty_first = i;
    if (i < local->dirty_first)
      local->dirty_first = i;
    if (i >= local->dirty_end)
      local->dirty_end = i + 1;
  }
  free(have);
  return true;
}

static void
tell(struct copse_nodes *nodes, const struct copse_shadow_member *here, uint32_t blocks, uint32_t first, uint32_t end,
     const uint64_t *words) {
  struct copse_api_interest interest = {
    .kind = COPSE_HOP_MEMBER, .slot = here->set.slot, .blocks = blocks, .first_word = first, .words = end - first};

  copse_operations_interest(&nodes->operations, &interest, words + first);
}

static void
tell_nothing_wanted(struct copse_nodes *nodes, struct copse_shadow_member *here, uint32_t blocks) {
  uint64_t *words = calloc(words_of(blocks), sizeof(*words));

  if (words == NULL)
    return;
  tell(nodes, here, blocks, 0, words_of(blocks), words);
  here->nothing_wanted = here->interest_known = true;
  free(words);
}

static void
walk_member(struct copse_nodes *nodes, const struct copse_session *session, struct copse_member *member,
            uint64_t now_ms) {
  struct copse_shadow_member *here = copse_shadow_member(&nodes->shadow, member->id);
  struct copse_member_local *local = &member->local;
  uint32_t blocks = copse_session_blocks(session);

  if (here == NULL || here->nothing_wanted)
    return;
  if (copse_member_complete(member)) {
    tell_nothing_wanted(nodes, here, blocks);
    return;
  }
  if (local->wanted == NULL || now_ms - local->told_ms < TELL_MS)
    return;
  if (!here->interest_known)
    tell(nodes, here, blocks, 0, words_of(blocks), local->wanted);
  else if (local->dirty_first != local->dirty_end)
    tell(nodes, here, blocks, local->dirty_first, local->dirty_end, local->wanted);
  else
    return;
  here->interest_known = true;
  local->dirty_first = local->dirty_end = 0;
  local->told_ms = now_ms;
}

void
copse_interest_walk(struct copse_control *control, uint64_t now_ms) {
  for (size_t i = 0; i < control->model.sessions.count; i++) {
    struct copse_session *session = control->model.sessions.items[i];

    for (size_t j = 0; j < session->members.count && session->revision != 0; j++) {
      struct copse_member *member = session->members.items[j];

      if (member->revision != 0 && strcmp(member->record.pop, control->config->pop) == 0)
        walk_member(&control->nodes, session, member, now_ms);
    }
  }
}
