/* SPDX-License-Identifier: Apache-2.0 */
/* What our dataplane's table should hold, and the operations that bring it there: links, members without a tree to send
 * on, trees whose children are installed, then members again with their tree, then what has to go. */
#include "desire.h"
#include <copse/log.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t
bounded_rate(uint64_t rate_bps) {
  if (rate_bps != 0 && rate_bps < COPSE_RATE_MIN_BPS)
    return COPSE_RATE_MIN_BPS;
  return rate_bps > COPSE_RATE_MAX_BPS ? COPSE_RATE_MAX_BPS : rate_bps;
}

/* A link that is refused stays what it is. */
static void
walk_link(const struct copse_walk *walk, const struct copse_link *link) {
  const struct copse_pop *pop = copse_set_find(&walk->control->model.pops, link->to);
  struct copse_shadow_link *have = copse_shadow_link(walk->shadow, link->to);
  struct copse_api_link want = {.burst_us = (uint32_t)walk->control->config->burst_us};

  if (have != NULL)
    have->wanted = true;
  if ((pop == NULL && have == NULL) || copse_nodes_refused(walk->nodes, link->to, walk->now_ms))
    return;
  want.slot = have != NULL ? have->set.slot : copse_slots_take(&walk->shadow->link_slots);
  want.budget_bps = bounded_rate(link->record.bandwidth_bps);
  want.remote = pop != NULL ? pop->record.endpoint : have->set.remote; /* a PoP that is silent keeps its address */
  copse_copy(want.name, sizeof(want.name), link->to);
  if (want.slot == COPSE_SLOTS_NONE)
    return;
  if (have == NULL || memcmp(&have->set, &want, sizeof(want)) != 0)
    copse_nodes_link(walk->nodes, &want);
  have = copse_shadow_link(walk->shadow, link->to);
  if (have != NULL)
    have->wanted = true;
}

static void
walk_links(struct copse_walk *walk) {
  const struct copse_model *model = &walk->control->model;

  for (size_t i = 0; i < walk->shadow->links.count; i++)
    ((struct copse_shadow_link *)walk->shadow->links.items[i])->wanted = false;
  for (size_t i = 0; i < model->links.count && !is_full(walk); i++) {
    const struct copse_link *link = model->links.items[i];

    if (is_here(walk, link->from) && link->revision != 0 && link->record.bandwidth_bps > 0)
      walk_link(walk, link);
  }
}

/* The slot of the tree a member here sends on: that of the plan if it is installed, but the one it has while that stays
 * and may carry what the other may not yet. */
static uint32_t
send_tree(const struct copse_walk *walk, const struct copse_session *session, const struct copse_shadow_member *have) {
  const struct copse_planned_tree *planned = copse_session_rooted(session, walk->control->config->pop);
  const struct copse_shadow_tree *tree =
    planned != NULL && planned->status == COPSE_TREE_OK ? copse_shadow_tree(walk->shadow, planned->id) : NULL;
  const struct copse_shadow_tree *present = have != NULL && have->set.send_tree < walk->shadow->limits.trees
                                              ? walk->shadow->tree_at[have->set.send_tree]
                                              : NULL;

  if (present != NULL && (tree == NULL || (!present->removing && has_allowance(present) && !has_allowance(tree))))
    tree = present;
  return tree == NULL || tree->removing || tree->set.label != COPSE_LABEL_NONE ? COPSE_SLOT_NONE : tree->set.slot;
}

static void
walk_member(struct copse_walk *walk, const struct copse_session *session, const struct copse_member *member) {
  struct copse_shadow_member *have = copse_shadow_member(walk->shadow, member->id);
  struct copse_api_member want = {.id = member->number,
                                  .label = member->record.label,
                                  .send_tree = member->record.direct ? COPSE_SLOT_NONE : send_tree(walk, session, have),
                                  .burst_us = (uint32_t)walk->control->config->burst_us,
                                  .egress_bps = bounded_rate(member->record.downlink_bps),
                                  .address = member->endpoint};

  if (copse_nodes_refused(walk->nodes, member->id, walk->now_ms) ||
      copse_label_slot(want.label) >= walk->shadow->limits.labels)
    return;
  memcpy(want.key, member->record.key, sizeof(want.key));
  want.slot = have != NULL ? have->set.slot : copse_slots_take(&walk->shadow->member_slots);
  if (want.slot == COPSE_SLOTS_NONE)
    return;
  if (have == NULL || memcmp(&have->set, &want, sizeof(want)) != 0)
    copse_nodes_member(walk->nodes, &want);
  have = copse_shadow_member(walk->shadow, member->id);
  if (have != NULL)
    have->wanted = true;
}

static void
walk_members(struct copse_walk *walk) {
  const struct copse_model *model = &walk->control->model;

  for (size_t i = 0; i < walk->shadow->members.count; i++)
    ((struct copse_shadow_member *)walk->shadow->members.items[i])->wanted = false;
  for (size_t i = 0; i < model->sessions.count; i++) {
    const struct copse_session *session = model->sessions.items[i];

    for (size_t j = 0; j < session->members.count && session->revision != 0; j++) {
      const struct copse_member *member = session->members.items[j];
      struct copse_shadow_member *have = copse_shadow_member(walk->shadow, member->id);

      if (member->revision == 0 || !is_here(walk, member->record.pop))
        continue;
      if (have != NULL && is_full(walk))
        have->wanted = true;
      else if (!is_full(walk))
        walk_member(walk, session, member);
    }
  }
}

/* Hops of a tree here: its children, then all members of the area. False while a child is not installed. */
static bool
gather_hops(const struct copse_walk *walk, const struct copse_session *session,
            const struct copse_planned_tree *planned, uint32_t *count) {
  struct copse_api_hop *hops = walk->hops;

  *count = 0;
  for (size_t i = 0; i < planned->edge_count; i++) {
    const struct copse_installed *child;
    const struct copse_shadow_link *link;

    if (!is_here(walk, planned->edges[i].from))
      continue;
    child = copse_session_label(session, planned->id, planned->edges[i].to);
    link = copse_shadow_link(walk->shadow, planned->edges[i].to);
    if (child == NULL || link == NULL || *count == walk->shadow->limits.fan_out)
      return false;
    walk->unwanted[*count] = copse_labels_close(walk, planned, i, copse_shadow_tree(walk->shadow, planned->id));
    hops[(*count)++] =
      (struct copse_api_hop){.kind = COPSE_HOP_LINK, .slot = link->set.slot, .label = child->record.label};
  }
  for (size_t i = 0; i < session->members.count && *count < walk->shadow->limits.fan_out; i++) {
    const struct copse_member *member = session->members.items[i];
    const struct copse_shadow_member *here = copse_shadow_member(walk->shadow, member->id);

    if (copse_member_in_area(member, member->record.pop) && here != NULL && here->wanted)
      hops[(*count)++] =
        (struct copse_api_hop){.kind = COPSE_HOP_MEMBER, .slot = here->set.slot, .label = planned->number};
  }
  return true;
}

/* The parent of this PoP in a tree; null at the root and where the tree does not pass. */
static const char *
parent_of(const struct copse_walk *walk, const struct copse_planned_tree *planned) {
  for (size_t i = 0; i < planned->edge_count; i++)
    if (is_here(walk, planned->edges[i].to))
      return planned->edges[i].from;
  return NULL;
}

/* What the root charges for: what nobody wants costs nothing where nothing is sent, from here or, as its label record
 * lists, below. */
static uint32_t
count_charged(const struct copse_walk *walk, const struct copse_planned_tree *planned,
              const struct copse_shadow_tree *have) {
  for (size_t i = 0; i < planned->edge_count; i++)
    walk->branches[i].closed =
      !walk->branches[i].wanted &&
      (is_here(walk, planned->edges[i].from) || (have != NULL && copse_label_lists(walk->here, planned->edges[i].to)));
  return copse_branches_reached(walk->branches, planned->edge_count);
}

/* Fills in what does not change in the life of a tree; false when something it needs is not known yet. */
static bool
describe_tree(const struct copse_walk *walk, const struct copse_session *session,
              const struct copse_planned_tree *planned, struct copse_api_tree *want) {
  const struct copse_area_state *area = copse_set_find(&session->areas, walk->control->config->pop);
  const char *parent = parent_of(walk, planned);
  const struct copse_pop *pop = parent == NULL ? NULL : copse_set_find(&walk->control->model.pops, parent);
  const struct copse_shadow_tree *have = copse_shadow_tree(walk->shadow, planned->id);

  if (area == NULL || (parent != NULL && pop == NULL && have == NULL))
    return false;
  *want = (struct copse_api_tree){.id = strtoull(planned->id, NULL, 16),
                                  .label = COPSE_LABEL_NONE,
                                  .burst_us = (uint32_t)walk->control->config->burst_us};
  memcpy(want->tree_key, planned->key, sizeof(want->tree_key));
  memcpy(want->area_key, area->record.key, sizeof(want->area_key));
  if (parent == NULL) {
    want->committed_bps = bounded_rate(planned->min_bps < planned->rate_bps ? planned->min_bps : planned->rate_bps);
    want->peak_bps = bounded_rate(planned->rate_bps);
    want->charged_edges = count_charged(walk, planned, have);
  } else {
    want->upstream = pop != NULL ? pop->record.endpoint : have->set.upstream;
  }
  return true;
}

static bool
same_identity(const struct copse_api_tree *have, const struct copse_api_tree *want) {
  return (have->label == COPSE_LABEL_NONE) == (want->label == COPSE_LABEL_NONE) &&
         memcmp(&have->upstream, &want->upstream, sizeof(have->upstream)) == 0 &&
         memcmp(have->tree_key, want->tree_key, sizeof(have->tree_key)) == 0 &&
         memcmp(have->area_key, want->area_key, sizeof(have->area_key)) == 0;
}

/* Slot and label of a tree that is new here; false when there is no room. */
static bool
place_tree(const struct copse_walk *walk, struct copse_api_tree *want, bool is_root) {
  if (!is_root) {
    want->label = copse_shadow_label_take(walk->shadow);
    if (want->label == COPSE_LABEL_NONE)
      return false;
  }
  want->slot = copse_slots_take(&walk->shadow->tree_slots);
  if (want->slot == COPSE_SLOTS_NONE)
    copse_shadow_label_release(walk->shadow, want->label);
  return want->slot != COPSE_SLOTS_NONE;
}

/* In the batch that changes what the root charges: a subtree that wants nothing gets nothing and costs nothing. */
static void
tell_children(struct copse_walk *walk, const struct copse_session *session, const struct copse_shadow_tree *tree) {
  for (uint32_t i = 0; i < tree->set.hops && tree->hops[i].kind == COPSE_HOP_LINK; i++)
    if (tree->unwanted[i] != walk->unwanted[i])
      copse_nodes_branch(walk->nodes, tree->set.slot, i, copse_session_blocks(session), !walk->unwanted[i]);
}

static void
walk_tree(struct copse_walk *walk, const struct copse_session *session, const struct copse_planned_tree *planned) {
  bool is_root = is_here(walk, planned->root);
  struct copse_shadow_tree *have = copse_shadow_tree(walk->shadow, planned->id);
  struct copse_api_tree want;

  if (!is_root && parent_of(walk, planned) == NULL)
    return;
  if (have != NULL) {
    have->planned = true;
    have->leaving_ms = have->rootless_ms = 0;
  }
  if (copse_tree_branches(session, planned, walk->branches) < 0)
    return;
  walk->here = copse_session_label(session, planned->id, walk->control->config->pop);
  walk->root = copse_session_label(session, planned->id, planned->root);
  if (have != NULL)
    copse_labels_note(walk, session, planned, have);
  if (is_full(walk) || copse_nodes_refused(walk->nodes, planned->id, walk->now_ms) ||
      (is_root && !copse_labels_settled(walk, have)) || !describe_tree(walk, session, planned, &want) ||
      !gather_hops(walk, session, planned, &want.hops))
    return;
  if (have != NULL && !is_root)
    want.label = have->set.label;
  if (have != NULL && !same_identity(&have->set, &want)) {
    have->removing = true; /* comes back under another label with the next batch */
    return;
  }
  if (have != NULL)
    want.slot = have->set.slot;
  else if (!place_tree(walk, &want, is_root))
    return;
  if (have == NULL || memcmp(&have->set, &want, sizeof(want)) != 0 ||
      memcmp(have->hops, walk->hops, want.hops * sizeof(*walk->hops)) != 0)
    copse_nodes_tree(walk->nodes, &want, walk->hops);
  have = copse_shadow_tree(walk->shadow, planned->id);
  if (have == NULL)
    return;
  have->planned = true;
  tell_children(walk, session, have);
}

static size_t
most_edges(const struct copse_model *model) {
  size_t most = 0;

  for (size_t i = 0; i < model->sessions.count; i++) {
    const struct copse_session *session = model->sessions.items[i];

    for (size_t j = 0; j < session->plan.tree_count; j++)
      if (session->plan.trees[j].edge_count > most)
        most = session->plan.trees[j].edge_count;
  }
  return most;
}

static void
walk_trees(struct copse_walk *walk) {
  const struct copse_model *model = &walk->control->model;
  size_t fan_out = (size_t)walk->shadow->limits.fan_out + 1;

  walk->hops = calloc(fan_out, sizeof(*walk->hops));
  walk->unwanted = calloc(fan_out, sizeof(*walk->unwanted));
  walk->branches = calloc(most_edges(model) + 1, sizeof(*walk->branches));
  for (size_t i = 0; i < walk->shadow->trees.count; i++) {
    struct copse_shadow_tree *tree = walk->shadow->trees.items[i];

    tree->planned = tree->removing = false;
  }
  for (size_t i = 0; i < model->sessions.count; i++) {
    const struct copse_session *session = model->sessions.items[i];

    for (size_t j = 0; j < session->plan.tree_count; j++)
      if (session->plan.trees[j].status == COPSE_TREE_OK && walk->hops != NULL && walk->unwanted != NULL &&
          walk->branches != NULL)
        walk_tree(walk, session, &session->plan.trees[j]);
  }
  free(walk->hops);
  free(walk->unwanted);
  free(walk->branches);
}

void
copse_desire_walk(struct copse_control *control, uint64_t now_ms) {
  struct copse_walk walk = {
    .control = control, .nodes = &control->nodes, .shadow = &control->nodes.shadow, .now_ms = now_ms};

  copse_labels_strike(&walk);
  walk_links(&walk);
  walk_members(&walk); /* new ones; they must be there before a tree names them */
  walk_trees(&walk);
  copse_leave_trees(&walk);
  walk_members(&walk); /* with the trees that are there now */
  if (!is_full(&walk))
    copse_leave_objects(&walk);
  copse_labels_commit(&walk);
}
