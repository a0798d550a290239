/* SPDX-License-Identifier: Apache-2.0 */
/* /sessions/S/labels/T/P: what the dataplane has confirmed, so that the parent installs its node; the root's tells that
 * the tree is whole. */
#include "state.h"
#include <stdio.h>

#define COMMIT_MAX 256 /* labels written at a time; the rest with the next walk */

static void
add_installed(struct copse_transaction *writing, const struct copse_control *control,
              const struct copse_session *session, const struct copse_planned_tree *planned) {
  const struct copse_shadow_tree *tree = copse_shadow_tree(&control->nodes.shadow, planned->id);
  struct copse_label_record record = {.label = tree == NULL ? 0 : tree->set.label};
  char name[COPSE_ID_BYTES + COPSE_NAME_BYTES];
  const struct copse_installed *installed;

  if (tree == NULL)
    return;
  snprintf(name, sizeof(name), "%s/%s", planned->id, control->config->pop);
  installed = copse_set_find(&session->installed, name);
  if (installed != NULL && installed->record.label == record.label)
    return;
  copse_copy(record.root, sizeof(record.root), planned->root);
  copse_transaction_put(writing, copse_json_take(copse_label_write(&record)), "/sessions/%s/labels/%s/%s", session->id,
                        planned->id, control->config->pop);
}

static void
walk_session(struct copse_control *control, const struct copse_session *session, struct copse_transaction *writing) {
  for (size_t i = 0; i < session->plan.tree_count && writing->change_count < COMMIT_MAX; i++)
    if (session->plan.trees[i].status == COPSE_TREE_OK)
      add_installed(writing, control, session, &session->plan.trees[i]);
  for (size_t i = 0; i < session->installed.count && writing->change_count < COMMIT_MAX; i++) {
    const struct copse_installed *installed = session->installed.items[i];

    if (strcmp(installed->pop, control->config->pop) == 0 &&
        copse_shadow_tree(&control->nodes.shadow, installed->tree) == NULL)
      copse_transaction_delete(writing, "/sessions/%s/labels/%s/%s", session->id, installed->tree, installed->pop);
  }
}

void
copse_labels_walk(struct copse_control *control) {
  struct copse_transaction writing = {0};

  for (size_t i = 0; i < control->model.sessions.count; i++)
    walk_session(control, control->model.sessions.items[i], &writing);
  if (writing.change_count > 0)
    copse_control_transact(control, &writing);
  copse_transaction_free(&writing);
}
