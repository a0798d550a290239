/* SPDX-License-Identifier: Apache-2.0 */
/* /sessions/S/labels/T/P: what the dataplane has confirmed, so that the parent installs its node; the root's tells that
 * the tree is whole. */
#include "state.h"
#include <stdio.h>
#include <stdlib.h>

#define COMMIT_MAX 256 /* labels written at a time; the rest with the next walk */
#define KEY_BYTES (sizeof("/sessions//labels//") + COPSE_SESSION_BYTES + COPSE_ID_BYTES + COPSE_NAME_BYTES)

struct writing {
  struct copse_change changes[COMMIT_MAX];
  char keys[COMMIT_MAX][KEY_BYTES];
  size_t count;
};

/* Takes the text over; null deletes. */
static void
add(struct writing *writing, const char *session, const char *tree, const char *pop, char *text) {
  struct copse_change *change = &writing->changes[writing->count];

  snprintf(writing->keys[writing->count], KEY_BYTES, "/sessions/%s/labels/%s/%s", session, tree, pop);
  *change = (struct copse_change){
    .kind = text == NULL ? COPSE_CHANGE_DELETE : COPSE_CHANGE_PUT, .key = writing->keys[writing->count], .value = text};
  writing->count++;
}

static void
add_installed(struct writing *writing, const struct copse_control *control, const struct copse_session *session,
              const struct copse_planned_tree *planned) {
  const struct copse_shadow_tree *tree = copse_shadow_tree(&control->nodes.shadow, planned->id);
  struct copse_label_record record = {.label = tree == NULL ? 0 : tree->set.label};
  char name[COPSE_ID_BYTES + COPSE_NAME_BYTES];
  const struct copse_installed *installed;
  char *text;

  if (tree == NULL)
    return;
  snprintf(name, sizeof(name), "%s/%s", planned->id, control->config->pop);
  installed = copse_set_find(&session->installed, name);
  if (installed != NULL && installed->record.label == record.label)
    return;
  copse_copy(record.root, sizeof(record.root), planned->root);
  text = copse_json_take(copse_label_write(&record));
  if (text != NULL)
    add(writing, session->id, planned->id, control->config->pop, text);
}

static void
walk_session(struct copse_control *control, const struct copse_session *session, struct writing *writing) {
  for (size_t i = 0; i < session->plan.tree_count && writing->count < COMMIT_MAX; i++)
    if (session->plan.trees[i].status == COPSE_TREE_OK)
      add_installed(writing, control, session, &session->plan.trees[i]);
  for (size_t i = 0; i < session->installed.count && writing->count < COMMIT_MAX; i++) {
    const struct copse_installed *installed = session->installed.items[i];

    if (strcmp(installed->pop, control->config->pop) == 0 &&
        copse_shadow_tree(&control->nodes.shadow, installed->tree) == NULL)
      add(writing, session->id, installed->tree, installed->pop, NULL);
  }
}

void
copse_labels_walk(struct copse_control *control) {
  struct writing *writing = calloc(1, sizeof(*writing));

  for (size_t i = 0; i < control->model.sessions.count && writing != NULL; i++)
    walk_session(control, control->model.sessions.items[i], writing);
  if (writing != NULL && writing->count > 0)
    copse_control_commit(control, NULL, 0, writing->changes, writing->count);
  for (size_t i = 0; writing != NULL && i < writing->count; i++)
    free((void *)writing->changes[i].value);
  free(writing);
}
