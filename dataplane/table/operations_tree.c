/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on trees: versions, allowances and interests. */
#include "table/operations.h"

#include <stdlib.h>

#define BLOCKS_MAX (1U << 22) /* of one content: 64 GiB; a bitmap has at most 512 KiB */

static const struct copse_endpoint no_endpoint;

static bool
is_root(const struct copse_api_tree *api) {
  return api->label == COPSE_LABEL_NONE;
}

static int
check_shape(const struct copse_table *table, const struct copse_api_tree *api, size_t length, char *text) {
  if (api->hops > table->config.limits.fan_out)
    return copse_refuse(text, -ERANGE, "%u next hops are more than the limit of %u", api->hops,
                        table->config.limits.fan_out);
  if ((length - sizeof(*api)) / sizeof(struct copse_api_hop) < api->hops)
    return copse_refuse(text, -EINVAL, "tree: %zu bytes are too few for %u next hops", length, api->hops);
  return copse_check_slot(table, COPSE_TREE, api->slot, text);
}

/* A record of the tree and the hops behind it; null when memory is short. */
static struct copse_tree_record *
read_tree(const struct copse_api_tree *api, const uint8_t *hops) {
  struct copse_api_hop hop;
  uint32_t links = 0;

  for (; links < api->hops; links++) {
    memcpy(&hop, hops + links * sizeof(hop), sizeof(hop));
    if (hop.kind != COPSE_HOP_LINK)
      break;
  }
  struct copse_tree_record *tree = copse_tree_record_new(api->hops, links);
  if (tree == NULL)
    return NULL;
  tree->api = *api;
  tree->api.reserved = 0;
  memset(tree->api.upstream.reserved, 0, sizeof(tree->api.upstream.reserved));
  memcpy(tree->hop, hops, api->hops * sizeof(hop));
  return tree;
}

static int
check_hops(struct copse_table *table, struct copse_tree_record *tree, char *text) {
  const uint64_t seen = ++table->hop_seen_last;
  int status;

  for (uint32_t i = 0; i < tree->api.hops; i++) {
    struct copse_api_hop *hop = &tree->hop[i];
    hop->reserved = 0;
    if (hop->kind != (i < tree->links ? COPSE_HOP_LINK : COPSE_HOP_MEMBER))
      return copse_refuse(text, -EINVAL, "hop %u is of kind %u: children come first, then members", i, hop->kind);
    if ((status = copse_check_present(table, copse_hop_object(hop), hop->slot, text)) < 0)
      return status;
    if (hop->label == COPSE_LABEL_NONE)
      return copse_refuse(text, -EINVAL, "hop %u has no label", i);
    uint64_t *last = &table->hop_seen[copse_destination_of(table, copse_hop_object(hop), hop->slot)];
    if (*last == seen)
      return copse_refuse(text, -EINVAL, "hop %u is in the tree already", i);
    *last = seen;
  }
  return 0;
}

static int
check_tree(struct copse_table *table, struct copse_tree_record *tree, const struct copse_tree_record *old, char *text) {
  const struct copse_api_tree *api = &tree->api;
  int status;

  if ((status = copse_check_id(table, COPSE_TREE, api->id, api->slot, text)) < 0 ||
      (status = copse_check_rate(api->peak_bps, api->burst_us, text)) < 0)
    return status;
  if (api->peak_bps != 0 && (status = copse_check_rate(api->committed_bps, api->burst_us, text)) < 0)
    return status;
  if (api->peak_bps != 0 && api->committed_bps > api->peak_bps)
    return copse_refuse(text, -EINVAL, "the committed rate is above the peak rate");
  if (is_root(api)) {
    if (memcmp(&api->upstream, &no_endpoint, sizeof(no_endpoint)) != 0)
      return copse_refuse(text, -EINVAL, "a root has an upstream");
  } else if ((status = copse_check_label(table, api->label, old ? old->api.label : COPSE_LABEL_NONE, text)) < 0 ||
             (status = copse_check_endpoint(table, &api->upstream, text)) < 0) {
    return status;
  }
  if (old && old->api.id == api->id &&
      (old->api.label != api->label || memcmp(&old->api.upstream, &api->upstream, sizeof(api->upstream)) != 0 ||
       memcmp(old->api.tree_key, api->tree_key, sizeof(api->tree_key)) != 0 ||
       memcmp(old->api.area_key, api->area_key, sizeof(api->area_key)) != 0))
    return copse_refuse(text, -EINVAL, "label, upstream and keys of a live tree do not change");
  return check_hops(table, tree, text);
}

/* The new version goes on where the old one is: allowance, and what each child's subtree wants. */
static void
inherit(struct copse_tree_record *tree, const struct copse_tree_record *old) {
  tree->base = old->base;
  tree->allowance = old->allowance;
  for (uint32_t i = 0; i < tree->links; i++)
    for (uint32_t j = 0; j < old->links; j++)
      if (tree->hop[i].slot == old->hop[j].slot)
        tree->interest[i] = copse_interest_hold(old->interest[j]);
}

/* A copy of a member's record to be changed by this batch, staged; null when memory is short. */
static struct copse_member_record *
stage_member_copy(struct copse_table *table, uint32_t slot) {
  struct copse_member_record *old = copse_member_at(table, slot), *member;

  if (copse_is_staged(table, COPSE_MEMBER, slot))
    return old;
  if (copse_journal_reserve(table) < 0 || (member = malloc(sizeof(*member))) == NULL)
    return NULL;
  *member = *old;
  copse_interest_hold(member->interest);
  copse_stage(table, COPSE_MEMBER, slot, &member->base);
  return member;
}

/* Members that send on the tree have none to send on any more. */
static int
release_senders(struct copse_table *table, uint32_t slot) {
  for (uint32_t i = 0; table->users[COPSE_TREE][slot] > 0 && i < table->counts[COPSE_MEMBER]; i++) {
    const struct copse_member_record *old = copse_member_at(table, i);
    if (old == NULL || old->api.send_tree != slot)
      continue;
    struct copse_member_record *member = calloc(1, sizeof(*member));
    if (member == NULL || copse_journal_reserve(table) < 0) {
      free(member);
      return -ENOMEM;
    }
    *member = *old;
    copse_interest_hold(member->interest);
    member->api.send_tree = COPSE_SLOT_NONE;
    copse_stage(table, COPSE_MEMBER, i, &member->base);
  }
  return 0;
}

int
copse_tree_set(struct copse_table *table, const uint8_t *bytes, size_t length, char *text) {
  struct copse_tree_record *tree;
  struct copse_api_tree api;
  int status;

  memcpy(&api, bytes, sizeof(api));
  if ((status = check_shape(table, &api, length, text)) < 0)
    return status;
  if ((tree = read_tree(&api, bytes + sizeof(api))) == NULL)
    return -ENOMEM;
  const struct copse_tree_record *old = copse_tree_at(table, api.slot);
  const bool same = old && old->api.id == api.id;
  if ((status = check_tree(table, tree, old, text)) < 0 ||
      (old && !same && (status = release_senders(table, api.slot)) < 0) ||
      (status = copse_journal_reserve(table)) < 0) {
    copse_record_free(table, COPSE_TREE, &tree->base);
    return status;
  }
  if (same)
    inherit(tree, old);
  else
    tree->base.incarnation = ++table->incarnations;
  copse_stage(table, COPSE_TREE, api.slot, &tree->base);
  return 0;
}

int
copse_tree_remove(struct copse_table *table, const uint8_t *bytes, size_t length, char *text) {
  struct copse_api_slot api;
  int status;

  (void)length;
  memcpy(&api, bytes, sizeof(api));
  if ((status = copse_check_present(table, COPSE_TREE, api.slot, text)) < 0 ||
      (status = release_senders(table, api.slot)) < 0 || (status = copse_journal_reserve(table)) < 0)
    return status;
  copse_stage(table, COPSE_TREE, api.slot, NULL);
  return 0;
}

/* A copy of a tree's record to be changed by this batch, staged; null when memory is short. */
static struct copse_tree_record *
stage_tree_copy(struct copse_table *table, uint32_t slot) {
  struct copse_tree_record *old = copse_tree_at(table, slot), *tree;

  if (copse_is_staged(table, COPSE_TREE, slot))
    return old;
  if (copse_journal_reserve(table) < 0 || (tree = copse_tree_record_new(old->api.hops, old->links)) == NULL)
    return NULL;
  tree->api = old->api;
  memcpy(tree->hop, old->hop, old->api.hops * sizeof(*old->hop));
  inherit(tree, old);
  copse_stage(table, COPSE_TREE, slot, &tree->base);
  return tree;
}

int
copse_allowance(struct copse_table *table, const uint8_t *bytes, size_t length, char *text) {
  struct copse_api_allowance api;
  struct copse_tree_record *tree;
  int status;

  (void)length;
  memcpy(&api, bytes, sizeof(api));
  if ((status = copse_check_present(table, COPSE_TREE, api.slot, text)) < 0)
    return status;
  if ((tree = stage_tree_copy(table, api.slot)) == NULL)
    return -ENOMEM;
  tree->allowance = api.total_bytes;
  return 0;
}

/* A new bitmap: what `old` says where it is of the same size, and the words given. */
static struct copse_interest *
merge(const struct copse_interest *old, const struct copse_api_interest *api, const uint8_t *given) {
  const uint32_t end = api->first_word + api->words;
  const uint32_t kept = old && old->blocks == api->blocks ? old->words : 0;
  const uint32_t words = kept > end ? kept : end;
  struct copse_interest *interest = malloc(sizeof(*interest) + words * sizeof(uint64_t));

  if (interest == NULL)
    return NULL;
  *interest = (struct copse_interest){.references = 1, .blocks = api->blocks, .words = words};
  memset(interest->word, 0xff, words * sizeof(uint64_t));
  if (kept > 0)
    memcpy(interest->word, old->word, kept * sizeof(uint64_t));
  memcpy(interest->word + api->first_word, given, api->words * sizeof(uint64_t));
  return interest;
}

static int
check_interest(const struct copse_table *table, const struct copse_api_interest *api, size_t length, char *text) {
  int status;

  if (api->kind != COPSE_HOP_MEMBER && api->kind != COPSE_HOP_LINK)
    return copse_refuse(text, -EINVAL, "interest of an unknown kind %u", api->kind);
  if (api->blocks > BLOCKS_MAX)
    return copse_refuse(text, -ERANGE, "a bitmap of %u blocks is larger than %u", api->blocks, BLOCKS_MAX);
  if (api->first_word + (uint64_t)api->words > (api->blocks + 63) / 64)
    return copse_refuse(text, -ERANGE, "words beyond the bitmap of %u blocks", api->blocks);
  if ((length - sizeof(*api)) / sizeof(uint64_t) < api->words)
    return copse_refuse(text, -EINVAL, "interest: %zu bytes are too few for %u words", length, api->words);
  status = copse_check_present(table, api->kind == COPSE_HOP_MEMBER ? COPSE_MEMBER : COPSE_TREE, api->slot, text);
  if (status == 0 && api->kind == COPSE_HOP_LINK && api->hop >= copse_tree_at(table, api->slot)->links)
    return copse_refuse(text, -ERANGE, "tree slot %u has no child %u", api->slot, api->hop);
  return status;
}

/* Where a record of this batch keeps the bitmap that the operation is about; null when memory is short. */
static struct copse_interest **
stage_interest(struct copse_table *table, const struct copse_api_interest *api) {
  if (api->kind == COPSE_HOP_MEMBER) {
    struct copse_member_record *member = stage_member_copy(table, api->slot);
    return member ? &member->interest : NULL;
  }
  struct copse_tree_record *tree = stage_tree_copy(table, api->slot);
  return tree ? &tree->interest[api->hop] : NULL;
}

int
copse_interest(struct copse_table *table, const uint8_t *bytes, size_t length, char *text) {
  struct copse_interest **place, *interest = NULL;
  struct copse_api_interest api;
  int status;

  memcpy(&api, bytes, sizeof(api));
  if ((status = check_interest(table, &api, length, text)) < 0)
    return status;
  if ((place = stage_interest(table, &api)) == NULL ||
      (api.blocks > 0 && (interest = merge(*place, &api, bytes + sizeof(api))) == NULL))
    return -ENOMEM;
  copse_interest_drop(table, *place);
  *place = interest;
  return 0;
}
