/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind the edges of a tree: how many edges, and whether anybody there still wants something. */
#include "plan.h"
#include <errno.h>
#include <stdlib.h>

/* PoPs of members that miss something; the objects are the names in their records. -ENOMEM. */
static int
find_wanting(const struct copse_session *session, struct copse_set *pops) {
  for (size_t i = 0; i < session->members.count; i++) {
    struct copse_member *member = session->members.items[i];

    if (copse_member_in_area(member, member->record.pop) && !copse_member_complete(member) &&
        copse_set_add(pops, member->record.pop) == -ENOMEM)
      return -ENOMEM;
  }
  return 0;
}

/* An edge by the PoP it leads to. */
struct branch {
  char to[COPSE_NAME_BYTES];
  uint32_t edge;
};

static int
compare_branches(const void *a, const void *b) {
  return strcmp(((const struct branch *)a)->to, ((const struct branch *)b)->to);
}

static struct branch *
sort_branches(const struct copse_planned_tree *tree) {
  struct branch *branches = calloc(tree->edge_count + 1, sizeof(*branches));

  for (size_t i = 0; branches != NULL && i < tree->edge_count; i++) {
    copse_copy(branches[i].to, sizeof(branches[i].to), tree->edges[i].to);
    branches[i].edge = (uint32_t)i;
  }
  if (branches != NULL)
    qsort(branches, tree->edge_count, sizeof(*branches), compare_branches);
  return branches;
}

int
copse_tree_branches(const struct copse_session *session, const struct copse_planned_tree *tree, uint32_t *behind) {
  struct copse_set wanting = {0};
  struct branch *branches = sort_branches(tree), key;
  bool *wanted = calloc(tree->edge_count + 1, sizeof(*wanted));
  int result = branches == NULL || wanted == NULL ? -ENOMEM : find_wanting(session, &wanting);

  for (size_t i = 0; i < tree->edge_count; i++)
    behind[i] = 1;
  for (size_t i = tree->edge_count; i-- > 0 && result == 0;) { /* children come after their parents */
    const struct branch *parent;

    wanted[i] |= copse_set_find(&wanting, tree->edges[i].to) != NULL;
    copse_copy(key.to, sizeof(key.to), tree->edges[i].from);
    parent = bsearch(&key, branches, tree->edge_count, sizeof(*branches), compare_branches);
    if (parent == NULL)
      continue; /* the root's own */
    behind[parent->edge] += behind[i];
    wanted[parent->edge] |= wanted[i];
  }
  for (size_t i = 0; i < tree->edge_count && result == 0; i++)
    if (!wanted[i])
      behind[i] = 0;
  copse_set_free(&wanting, NULL);
  free(branches);
  free(wanted);
  return result;
}
