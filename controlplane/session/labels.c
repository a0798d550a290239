/* SPDX-License-Identifier: Apache-2.0 */
/* /sessions/S/labels/T/P: what the dataplane has confirmed, so that the parent installs its node; the root's tells that
 * the tree is whole.
 *
 * A label record also lists what is quiet, so that an edge far from the root costs nothing while nobody behind it wants
 * anything. A parent lists children it sends nothing, the root lists PoPs it may charge nothing for, and always
 *
 *     the root charges less  =>  the root lists it  =>  the parent lists it  =>  the parent sends nothing.
 *
 * So it is made so from the right, and undone from the left: the parent's dataplane sends no more, the parent lists it,
 * the root lists it in a transaction that compares the parent's record, the root's dataplane charges less. Then the
 * root's dataplane charges again, DRAIN_MS later, when nothing that was cheaper is under way, the root strikes it, the
 * parent strikes it in a transaction that compares the root's record, the parent's dataplane sends. Whoever stops at
 * any point leaves a charge that is too high rather than too low.
 *
 * A write whose answer was lost, by us or by who was here before us, may still come. Until one of ours that compares
 * our own record has taken its place, nothing opens here and nothing gets cheaper. */
#include "desire.h"
#include <errno.h>
#include <stdlib.h>

bool
copse_label_lists(const struct copse_installed *installed, const char *pop) {
  return installed != NULL && copse_set_find(&installed->record.quiet, pop) != NULL;
}

static bool
add_name(struct copse_set *names, const char *pop) {
  return copse_set_make(names, pop, COPSE_NAME_BYTES) != NULL;
}

/* The child has been told by the dataplane's table that its subtree wants nothing. Hops are mostly in the order of
 * edges: the search goes on from `*next`. */
static bool
is_unsent(const struct copse_walk *walk, const struct copse_shadow_tree *tree, const char *child, uint32_t *next) {
  const struct copse_shadow_link *link = copse_shadow_link(walk->shadow, child);

  for (uint32_t i = 0; i < tree->set.hops && link != NULL; i++) {
    uint32_t hop = (*next + i) % tree->set.hops;

    if (tree->hops[hop].kind == COPSE_HOP_LINK && tree->hops[hop].slot == link->set.slot) {
      *next = hop + 1;
      return tree->unwanted[hop];
    }
  }
  return false;
}

/* What is charged for again, which `charged` says of all that is wanted, stays listed until nothing cheaper is under
 * way. */
static bool
list_recharged(const struct copse_walk *walk, const struct copse_planned_tree *planned, struct copse_shadow_tree *tree,
               bool charged, struct copse_set *quiet) {
  for (size_t i = 0; i < planned->edge_count; i++) {
    const char *pop = planned->edges[i].to;
    struct copse_recharged *recharged = copse_set_find(&tree->recharged, pop);

    if (!copse_label_lists(walk->here, pop) || !walk->branches[i].wanted) {
      free(copse_set_remove(&tree->recharged, pop));
      continue;
    }
    if (recharged == NULL && charged)
      recharged = copse_set_make(&tree->recharged, pop, sizeof(*recharged));
    if (recharged != NULL && recharged->since_ms == 0)
      recharged->since_ms = walk->now_ms;
    if ((recharged == NULL || walk->now_ms - recharged->since_ms < DRAIN_MS) && !add_name(quiet, pop))
      return false;
  }
  return true;
}

/* What the root need not charge: what it has listed or can list, until somebody wants it and that is paid for. */
static bool
list_uncharged(const struct copse_walk *walk, const struct copse_session *session,
               const struct copse_planned_tree *planned, struct copse_shadow_tree *tree, struct copse_set *quiet) {
  uint32_t next = 0;

  for (size_t i = 0; i < planned->edge_count; i++) {
    const struct copse_tree_edge *edge = &planned->edges[i];
    struct copse_branch *branch = &walk->branches[i];

    if (is_here(walk, edge->from)) {
      branch->closed = is_unsent(walk, tree, edge->to, &next);
      continue;
    }
    branch->closed =
      !branch->wanted && (copse_label_lists(walk->here, edge->to) ||
                          copse_label_lists(copse_session_label(session, planned->id, edge->from), edge->to));
    if (branch->closed && !add_name(quiet, edge->to))
      return false;
  }
  return list_recharged(walk, planned, tree,
                        tree->set.charged_edges >= copse_branches_reached(walk->branches, planned->edge_count), quiet);
}

/* Children that are sent nothing and that nobody behind wants, or that the root does not charge for. False while the
 * dataplane sends what the root does not charge for. */
static bool
list_unsent(const struct copse_walk *walk, const struct copse_planned_tree *planned,
            const struct copse_shadow_tree *tree, struct copse_set *quiet) {
  uint32_t next = 0;

  for (size_t i = 0; i < planned->edge_count; i++) {
    const char *child = planned->edges[i].to;
    bool uncharged;

    if (!is_here(walk, planned->edges[i].from))
      continue;
    uncharged = copse_label_lists(walk->root, child);
    if (!is_unsent(walk, tree, child, &next)) {
      if (uncharged)
        return false;
    } else if ((uncharged || !walk->branches[i].wanted) && !add_name(quiet, child)) {
      return false;
    }
  }
  return true;
}

bool
copse_labels_close(const struct copse_walk *walk, const struct copse_planned_tree *planned, size_t edge,
                   const struct copse_shadow_tree *tree) {
  const char *child = planned->edges[edge].to;
  uint32_t next = 0;

  if (!walk->branches[edge].wanted || copse_label_lists(walk->here, child) || copse_label_lists(walk->root, child))
    return true;
  return tree != NULL && tree->set.label != COPSE_LABEL_NONE && !tree->label_known &&
         is_unsent(walk, tree, child, &next);
}

bool
copse_labels_settled(const struct copse_walk *walk, const struct copse_shadow_tree *tree) {
  return tree == NULL || tree->label_known || walk->here == NULL || walk->here->record.quiet.count == 0;
}

static uint64_t
revision_of(const struct copse_installed *installed) {
  return installed == NULL ? 0 : installed->revision;
}

/* Everything `a` lists, `b` lists. */
static bool
is_within(const struct copse_set *a, const struct copse_set *b) {
  for (size_t i = 0; i < a->count; i++)
    if (copse_set_find(b, a->items[i]) == NULL)
      return false;
  return true;
}

/* There is room for one label more and so many compares; otherwise it is written with the next walk. */
static bool
has_room(const struct copse_walk *walk, size_t compares) {
  return walk->labels.change_count < COPSE_STORE_OPERATIONS_MAX &&
         walk->labels.compare_count + compares <= COPSE_STORE_OPERATIONS_MAX;
}

/* The root lists the edge's end anew. */
static bool
is_new(const struct copse_walk *walk, const struct copse_tree_edge *edge, const struct copse_set *quiet) {
  return copse_set_find(quiet, edge->to) != NULL && !copse_label_lists(walk->here, edge->to);
}

/* Of what the root would list anew only as much stays as there is room to compare the parents of. */
static void
trim_new(const struct copse_walk *walk, const struct copse_planned_tree *planned, struct copse_set *quiet) {
  const char *parent = "";
  size_t parents = 1; /* with the record itself */

  for (size_t i = 0; i < planned->edge_count; i++) {
    const struct copse_tree_edge *edge = &planned->edges[i];

    if (!is_new(walk, edge, quiet) || strcmp(parent, edge->from) == 0)
      continue;
    if (has_room(walk, parents + 1)) {
      parent = edge->from;
      parents++;
    } else {
      free(copse_set_remove(quiet, edge->to));
    }
  }
}

/* What the root lists anew, its parents must list. */
static void
compare_parents(struct copse_walk *walk, const struct copse_session *session, const struct copse_planned_tree *planned,
                const struct copse_set *quiet) {
  const char *parent = "";

  for (size_t i = 0; i < planned->edge_count; i++) {
    const struct copse_tree_edge *edge = &planned->edges[i];

    if (!is_new(walk, edge, quiet) || strcmp(parent, edge->from) == 0)
      continue;
    parent = edge->from;
    copse_transaction_compare(&walk->labels, revision_of(copse_session_label(session, planned->id, parent)),
                              "/sessions/%s/labels/%s/%s", session->id, planned->id, parent);
  }
}

static void
put(struct copse_walk *walk, const struct copse_session *session, const struct copse_planned_tree *planned,
    const struct copse_label_record *record, struct copse_shadow_tree *tree) {
  const char *pop = walk->control->config->pop;

  if (!has_room(walk, 2))
    return;
  tree->label_noted = true;
  copse_transaction_compare(&walk->labels, revision_of(walk->here), "/sessions/%s/labels/%s/%s", session->id,
                            planned->id, pop);
  if (record->label == COPSE_LABEL_NONE)
    compare_parents(walk, session, planned, &record->quiet);
  else if (walk->here == NULL || walk->here->record.label != record->label ||
           !is_within(&walk->here->record.quiet, &record->quiet)) /* the root must not list what is sent from now on */
    copse_transaction_compare(&walk->labels, revision_of(walk->root), "/sessions/%s/labels/%s/%s", session->id,
                              planned->id, planned->root);
  copse_transaction_put(&walk->labels, copse_json_take(copse_label_write(record)), "/sessions/%s/labels/%s/%s",
                        session->id, planned->id, pop);
}

void
copse_labels_note(struct copse_walk *walk, const struct copse_session *session,
                  const struct copse_planned_tree *planned, struct copse_shadow_tree *tree) {
  struct copse_label_record record = {.label = tree->set.label};
  const struct copse_label_record *before = walk->here == NULL ? NULL : &walk->here->record;
  bool ready;

  copse_copy(record.root, sizeof(record.root), planned->root);
  if (before != NULL && before->label == record.label && !tree->label_known) {
    put(walk, session, planned, before, tree); /* as it is, in the place of what may still come */
    return;
  }
  ready = record.label == COPSE_LABEL_NONE ? list_uncharged(walk, session, planned, tree, &record.quiet)
                                           : list_unsent(walk, planned, tree, &record.quiet);
  if (record.label == COPSE_LABEL_NONE)
    trim_new(walk, planned, &record.quiet);
  if (ready && (before == NULL || before->label != record.label || !is_within(&before->quiet, &record.quiet) ||
                !is_within(&record.quiet, &before->quiet)))
    put(walk, session, planned, &record, tree);
  copse_label_record_free(&record);
}

/* The root's dataplane began anew. What the life before charged less for may still be under way: as listed, so it stays
 * until the tree is there again. */
static bool
is_coming_back(const struct copse_session *session, const struct copse_installed *installed) {
  return installed->record.label == COPSE_LABEL_NONE && installed->record.quiet.count > 0 &&
         copse_session_tree(session, installed->tree) != NULL;
}

void
copse_labels_strike(struct copse_walk *walk) {
  const struct copse_model *model = &walk->control->model;

  for (size_t i = 0; i < model->sessions.count; i++) {
    const struct copse_session *session = model->sessions.items[i];

    for (size_t j = 0; j < session->installed.count && has_room(walk, 1); j++) {
      const struct copse_installed *installed = session->installed.items[j];

      if (!is_here(walk, installed->pop) || copse_shadow_tree(walk->shadow, installed->tree) != NULL ||
          is_coming_back(session, installed))
        continue;
      copse_transaction_compare(&walk->labels, installed->revision, "/sessions/%s/labels/%s/%s", session->id,
                                installed->tree, installed->pop);
      copse_transaction_delete(&walk->labels, "/sessions/%s/labels/%s/%s", session->id, installed->tree,
                               installed->pop);
    }
  }
}

void
copse_labels_commit(struct copse_walk *walk) {
  int result = -EAGAIN;

  if (walk->labels.change_count > 0 && walk->control->store_status == 0)
    result = copse_control_transact(walk->control, &walk->labels);
  for (size_t i = 0; i < walk->shadow->trees.count; i++) {
    struct copse_shadow_tree *tree = walk->shadow->trees.items[i];

    if (tree->label_noted && result != -EAGAIN)
      tree->label_known = result == 0;
    tree->label_noted = false;
  }
  copse_transaction_free(&walk->labels);
}
