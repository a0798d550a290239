/* SPDX-License-Identifier: Apache-2.0 */
/* What has to go from our dataplane's table: trees, the root last to change and first to go; then members and links. */
#include "desire.h"
#include <stdio.h>
#include <stdlib.h>

#define SUCCESSOR_MS 10000 /* a root waits so long for the tree that replaces its own, */
#define ALLOWANCE_MS 1000  /* and so long for that one's first allowance */
#define ROOT_GONE_MS 30000 /* and others for word from the root */

/* The session that knows a tree which no plan has any more, and its record here. */
static struct copse_session *
session_of(const struct copse_walk *walk, const char *tree, const struct copse_installed **installed) {
  for (size_t i = 0; i < walk->control->model.sessions.count; i++) {
    struct copse_session *session = walk->control->model.sessions.items[i];

    *installed = copse_session_label(session, tree, walk->control->config->pop);
    if (*installed != NULL)
      return session;
  }
  return NULL;
}

/* A root stays until the tree that replaces it is here and may carry; then its allowance is taken away and what it
 * carried is settled. True when it may go. */
static bool
root_may_go(struct copse_walk *walk, struct copse_shadow_tree *tree, struct copse_session *session) {
  const struct copse_planned_tree *next =
    session == NULL ? NULL : copse_session_rooted(session, walk->control->config->pop);
  bool has_heir = next != NULL && next->status == COPSE_TREE_OK;
  const struct copse_shadow_tree *heir = has_heir ? copse_shadow_tree(walk->shadow, next->id) : NULL;
  struct copse_tree_ledger *ledger = session == NULL ? NULL : copse_set_find(&session->ledgers, tree->id);

  if (has_heir && heir == NULL && walk->now_ms - tree->leaving_ms < SUCCESSOR_MS)
    return false;
  if (heir != NULL && has_allowance(tree) && !has_allowance(heir) && walk->now_ms - tree->leaving_ms < ALLOWANCE_MS)
    return false;
  if (ledger == NULL)
    return true;
  if (tree->allowance_bytes > 0) {
    copse_nodes_allowance(walk->nodes, tree->set.slot, 0);
    return false;
  }
  return walk->control->store_status == 0 && copse_credit_close(walk->control, session, ledger, tree);
}

/* Below the root a tree drains for a while after the root has let it go. */
static bool
node_may_go(const struct copse_walk *walk, struct copse_shadow_tree *tree, const struct copse_session *session,
            const struct copse_installed *installed) {
  if (session != NULL && copse_session_label(session, tree->id, installed->record.root) != NULL &&
      copse_set_find(&walk->control->model.pops, installed->record.root) != NULL) {
    tree->rootless_ms = 0;
    return walk->now_ms - tree->leaving_ms >= ROOT_GONE_MS;
  }
  if (tree->rootless_ms == 0)
    tree->rootless_ms = walk->now_ms;
  return walk->now_ms - tree->rootless_ms >= DRAIN_MS;
}

void
copse_leave_trees(struct copse_walk *walk) {
  for (size_t i = 0; i < walk->shadow->trees.count; i++) {
    struct copse_shadow_tree *tree = walk->shadow->trees.items[i];
    const struct copse_installed *installed = NULL;
    struct copse_session *session;

    if (tree->planned || tree->removing)
      continue;
    if (tree->leaving_ms == 0)
      tree->leaving_ms = walk->now_ms;
    session = session_of(walk, tree->id, &installed);
    tree->removing = tree->set.label == COPSE_LABEL_NONE ? root_may_go(walk, tree, session)
                                                         : node_may_go(walk, tree, session, installed);
  }
}

/* Takes members that go out of trees that stay, then out of the table. */
static void
remove_members(struct copse_walk *walk) {
  for (size_t i = 0; i < walk->shadow->trees.count; i++) {
    struct copse_shadow_tree *tree = walk->shadow->trees.items[i];
    struct copse_api_hop *hops = calloc((size_t)tree->set.hops + 1, sizeof(*hops));
    struct copse_api_tree set = tree->set;

    set.hops = 0;
    for (uint32_t j = 0; j < tree->set.hops && hops != NULL; j++) {
      const struct copse_shadow_member *member =
        tree->hops[j].kind == COPSE_HOP_MEMBER ? walk->shadow->member_at[tree->hops[j].slot] : NULL;

      if (member == NULL || member->wanted)
        hops[set.hops++] = tree->hops[j];
    }
    if (hops != NULL && set.hops != tree->set.hops && !tree->removing)
      copse_nodes_tree(walk->nodes, &set, hops);
    free(hops);
  }
}

void
copse_leave_objects(struct copse_walk *walk) {
  remove_members(walk);
  for (size_t i = walk->shadow->trees.count; i-- > 0;) {
    const struct copse_shadow_tree *tree = walk->shadow->trees.items[i];

    if (tree->removing)
      copse_nodes_remove(walk->nodes, COPSE_API_TREE_REMOVE, tree->set.slot);
  }
  for (size_t i = walk->shadow->members.count; i-- > 0;) {
    const struct copse_shadow_member *member = walk->shadow->members.items[i];

    if (!member->wanted)
      copse_nodes_remove(walk->nodes, COPSE_API_MEMBER_REMOVE, member->set.slot);
  }
  for (size_t i = walk->shadow->links.count; i-- > 0;) {
    const struct copse_shadow_link *link = walk->shadow->links.items[i];
    bool used = link->wanted;

    for (size_t j = 0; j < walk->shadow->trees.count && !used; j++) {
      const struct copse_shadow_tree *tree = walk->shadow->trees.items[j];

      for (uint32_t k = 0; k < tree->set.hops && !used; k++)
        used = tree->hops[k].kind == COPSE_HOP_LINK && tree->hops[k].slot == link->set.slot;
    }
    if (!used)
      copse_nodes_remove(walk->nodes, COPSE_API_LINK_REMOVE, link->set.slot);
  }
}
