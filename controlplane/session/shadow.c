/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

int
copse_shadow_create(struct copse_shadow *shadow, const struct copse_api_limits *limits) {
  *shadow = (struct copse_shadow){.limits = *limits};
  if (limits->labels > COPSE_LABEL_SLOTS)
    shadow->limits.labels = COPSE_LABEL_SLOTS;
  shadow->tree_at = calloc((size_t)limits->trees + 1, sizeof(void *));
  shadow->member_at = calloc((size_t)limits->members + 1, sizeof(void *));
  shadow->link_at = calloc((size_t)limits->links + 1, sizeof(void *));
  shadow->target_at = calloc((size_t)limits->links + 1, sizeof(void *));
  shadow->generations = malloc((size_t)shadow->limits.labels + 1);
  if (shadow->tree_at == NULL || shadow->member_at == NULL || shadow->link_at == NULL || shadow->target_at == NULL ||
      shadow->generations == NULL || copse_slots_create(&shadow->tree_slots, limits->trees) < 0 ||
      copse_slots_create(&shadow->member_slots, limits->members) < 0 ||
      copse_slots_create(&shadow->link_slots, limits->links) < 0 ||
      copse_slots_create(&shadow->target_slots, limits->links) < 0 ||
      copse_slots_create(&shadow->label_slots, shadow->limits.labels) < 0) {
    copse_shadow_free(shadow);
    return -ENOMEM;
  }
  randombytes_buf(shadow->generations, shadow->limits.labels);
  return 0;
}

static void
tree_free(void *object) {
  struct copse_shadow_tree *tree = object;

  copse_set_free(&tree->recharged, free);
  free(tree->hops);
  free(tree->unwanted);
  free(tree);
}

void
copse_shadow_free(struct copse_shadow *shadow) {
  copse_set_free(&shadow->trees, tree_free);
  copse_set_free(&shadow->members, free);
  copse_set_free(&shadow->links, free);
  copse_set_free(&shadow->targets, free);
  copse_slots_free(&shadow->tree_slots);
  copse_slots_free(&shadow->member_slots);
  copse_slots_free(&shadow->link_slots);
  copse_slots_free(&shadow->target_slots);
  copse_slots_free(&shadow->label_slots);
  free(shadow->tree_at);
  free(shadow->member_at);
  free(shadow->link_at);
  free(shadow->target_at);
  free(shadow->generations);
  *shadow = (struct copse_shadow){0};
}

struct copse_shadow_tree *
copse_shadow_tree(const struct copse_shadow *shadow, const char *id) {
  return copse_set_find(&shadow->trees, id);
}

struct copse_shadow_member *
copse_shadow_member(const struct copse_shadow *shadow, const char *id) {
  return copse_set_find(&shadow->members, id);
}

struct copse_shadow_link *
copse_shadow_link(const struct copse_shadow *shadow, const char *name) {
  return copse_set_find(&shadow->links, name);
}

bool
copse_shadow_label_mark(struct copse_shadow *shadow, uint32_t label) {
  uint32_t slot = copse_label_slot(label);

  if (label == COPSE_LABEL_NONE || !copse_slots_mark(&shadow->label_slots, slot))
    return false;
  shadow->generations[slot] = (uint8_t)(copse_label_generation(label) + 1);
  return true;
}

uint32_t
copse_shadow_label_take(struct copse_shadow *shadow) {
  uint32_t slot = copse_slots_take(&shadow->label_slots);
  uint32_t label;

  if (slot == COPSE_SLOTS_NONE)
    return COPSE_LABEL_NONE;
  label = copse_label(slot, shadow->generations[slot]++);
  if (label == COPSE_LABEL_NONE) /* the last generation of the last slot looks like no label */
    label = copse_label(slot, shadow->generations[slot]++);
  return label;
}

void
copse_shadow_label_release(struct copse_shadow *shadow, uint32_t label) {
  if (label != COPSE_LABEL_NONE)
    copse_slots_release(&shadow->label_slots, copse_label_slot(label));
}

void
copse_shadow_label_recount(struct copse_shadow *shadow) {
  copse_slots_clear(&shadow->label_slots);
  for (size_t i = 0; i < shadow->trees.count; i++)
    copse_slots_mark(&shadow->label_slots,
                     copse_label_slot(((const struct copse_shadow_tree *)shadow->trees.items[i])->set.label));
  for (size_t i = 0; i < shadow->members.count; i++)
    copse_slots_mark(&shadow->label_slots,
                     copse_label_slot(((const struct copse_shadow_member *)shadow->members.items[i])->set.label));
}

/* The object in a slot, made when the slot is free; null when the slot has another or memory is short. */
static void *
slot_entry(struct copse_set *set, struct copse_slots *slots, void **at, uint32_t slot, const char *name, size_t bytes) {
  void *object;

  if (slot >= slots->limit)
    return NULL;
  object = at[slot];
  if (object != NULL)
    return strcmp(object, name) == 0 ? object : NULL;
  object = copse_set_make(set, name, bytes);
  if (object == NULL)
    return NULL;
  copse_slots_mark(slots, slot);
  at[slot] = object;
  return object;
}

static void
name_of_id(uint64_t id, char name[17]) {
  snprintf(name, 17, "%016llx", (unsigned long long)id);
}

/* A name as it is in a record, which may lack its end. */
static void
name_of_record(const char record[COPSE_NAME_BYTES], char name[COPSE_NAME_BYTES]) {
  memcpy(name, record, COPSE_NAME_BYTES);
  name[COPSE_NAME_BYTES - 1] = '\0';
}

static int
apply_link(struct copse_shadow *shadow, const struct copse_api_link *set) {
  struct copse_shadow_link *link;
  char name[COPSE_NAME_BYTES];

  name_of_record(set->name, name);
  link = slot_entry(&shadow->links, &shadow->link_slots, (void **)shadow->link_at, set->slot, name, sizeof(*link));
  if (link == NULL)
    return -EBADMSG;
  link->set = *set;
  return 0;
}

static int
apply_target(struct copse_shadow *shadow, const struct copse_api_target *set) {
  struct copse_shadow_target *target;
  char name[COPSE_NAME_BYTES];

  name_of_record(set->name, name);
  target =
    slot_entry(&shadow->targets, &shadow->target_slots, (void **)shadow->target_at, set->slot, name, sizeof(*target));
  if (target == NULL)
    return -EBADMSG;
  target->set = *set;
  return 0;
}

static int
apply_member(struct copse_shadow *shadow, const struct copse_api_member *set) {
  struct copse_shadow_member *member;
  char name[17];

  name_of_id(set->id, name);
  member =
    slot_entry(&shadow->members, &shadow->member_slots, (void **)shadow->member_at, set->slot, name, sizeof(*member));
  if (member == NULL)
    return -EBADMSG;
  copse_shadow_label_mark(shadow, set->label);
  member->set = *set;
  return 0;
}

/* As in the dataplane, what a subtree wants stays with its link. */
static void
keep_unwanted(const struct copse_shadow_tree *tree, const struct copse_api_hop *hops, uint32_t count, bool *unwanted) {
  for (uint32_t i = 0; i < count && hops[i].kind == COPSE_HOP_LINK; i++)
    for (uint32_t j = 0; j < tree->set.hops && tree->hops[j].kind == COPSE_HOP_LINK; j++)
      if (hops[i].slot == tree->hops[j].slot)
        unwanted[i] = tree->unwanted[j];
}

static int
apply_tree(struct copse_shadow *shadow, const struct copse_api_tree *set) {
  struct copse_api_hop *hops = calloc((size_t)set->hops + 1, sizeof(*hops));
  bool *unwanted = calloc((size_t)set->hops + 1, sizeof(*unwanted));
  struct copse_shadow_tree *tree;
  char name[17];

  if (hops == NULL || unwanted == NULL) {
    free(hops);
    free(unwanted);
    return -ENOMEM;
  }
  name_of_id(set->id, name);
  tree = slot_entry(&shadow->trees, &shadow->tree_slots, (void **)shadow->tree_at, set->slot, name, sizeof(*tree));
  if (tree == NULL) {
    free(hops);
    free(unwanted);
    return -EBADMSG;
  }
  copse_shadow_label_mark(shadow, set->label);
  memcpy(hops, set + 1, set->hops * sizeof(*hops));
  keep_unwanted(tree, hops, set->hops, unwanted);
  free(tree->hops);
  free(tree->unwanted);
  tree->hops = hops;
  tree->unwanted = unwanted;
  tree->set = *set;
  return 0;
}

/* Of a child: only bitmaps in which nothing is wanted are ever sent. Members' are sent again whole. */
static int
apply_interest(struct copse_shadow *shadow, const struct copse_api_interest *interest) {
  struct copse_shadow_tree *tree = interest->slot < shadow->limits.trees ? shadow->tree_at[interest->slot] : NULL;

  if (interest->kind != COPSE_HOP_LINK)
    return 0;
  if (tree == NULL || interest->hop >= tree->set.hops)
    return -EBADMSG;
  tree->unwanted[interest->hop] = interest->blocks > 0;
  return 0;
}

/* As in the dataplane, members that send on a tree that goes have none to send on. */
static void
release_senders(const struct copse_shadow *shadow, uint32_t slot) {
  for (size_t i = 0; i < shadow->members.count; i++) {
    struct copse_shadow_member *member = shadow->members.items[i];

    if (member->set.send_tree == slot)
      member->set.send_tree = COPSE_SLOT_NONE;
  }
}

static int
apply_remove(struct copse_shadow *shadow, uint16_t kind, uint32_t slot) {
  if (kind == COPSE_API_TREE_REMOVE && slot < shadow->limits.trees && shadow->tree_at[slot] != NULL) {
    struct copse_shadow_tree *tree = shadow->tree_at[slot];

    release_senders(shadow, slot);
    copse_set_remove(&shadow->trees, tree->id);
    copse_slots_release(&shadow->tree_slots, slot);
    copse_shadow_label_release(shadow, tree->set.label);
    shadow->tree_at[slot] = NULL;
    tree_free(tree);
    return 0;
  }
  if (kind == COPSE_API_MEMBER_REMOVE && slot < shadow->limits.members && shadow->member_at[slot] != NULL) {
    struct copse_shadow_member *member = shadow->member_at[slot];

    copse_set_remove(&shadow->members, member->id);
    copse_slots_release(&shadow->member_slots, slot);
    copse_shadow_label_release(shadow, member->set.label);
    shadow->member_at[slot] = NULL;
    free(member);
    return 0;
  }
  if (kind == COPSE_API_LINK_REMOVE && slot < shadow->limits.links && shadow->link_at[slot] != NULL) {
    struct copse_shadow_link *link = shadow->link_at[slot];

    copse_set_remove(&shadow->links, link->name);
    copse_slots_release(&shadow->link_slots, slot);
    shadow->link_at[slot] = NULL;
    free(link);
    return 0;
  }
  if (kind == COPSE_API_TARGET_REMOVE && slot < shadow->limits.links && shadow->target_at[slot] != NULL) {
    struct copse_shadow_target *target = shadow->target_at[slot];

    copse_set_remove(&shadow->targets, target->name);
    copse_slots_release(&shadow->target_slots, slot);
    shadow->target_at[slot] = NULL;
    free(target);
    return 0;
  }
  return -EBADMSG;
}

int
copse_shadow_apply(struct copse_shadow *shadow, uint16_t kind, const void *record) {
  const struct copse_api_allowance *allowance = record;

  switch (kind) {
  case COPSE_API_LINK_SET:
    return apply_link(shadow, record);
  case COPSE_API_MEMBER_SET:
    return apply_member(shadow, record);
  case COPSE_API_TREE_SET:
    return apply_tree(shadow, record);
  case COPSE_API_TARGET_SET:
    return apply_target(shadow, record);
  case COPSE_API_LINK_REMOVE:
  case COPSE_API_TARGET_REMOVE:
  case COPSE_API_MEMBER_REMOVE:
  case COPSE_API_TREE_REMOVE:
    return apply_remove(shadow, kind, ((const struct copse_api_slot *)record)->slot);
  case COPSE_API_ALLOWANCE:
    if (allowance->slot >= shadow->limits.trees || shadow->tree_at[allowance->slot] == NULL)
      return -EBADMSG;
    shadow->tree_at[allowance->slot]->allowance_bytes = allowance->total_bytes;
    return 0;
  case COPSE_API_INTEREST:
    return apply_interest(shadow, record);
  default:
    return 0;
  }
}
