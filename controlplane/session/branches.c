/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind the edges of a tree: whether anybody there still wants something, and how many edges are reached. */
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
struct place {
  char to[COPSE_NAME_BYTES];
  uint32_t edge;
};

static int
compare_places(const void *a, const void *b) {
  return strcmp(((const struct place *)a)->to, ((const struct place *)b)->to);
}

static struct place *
sort_places(const struct copse_planned_tree *tree) {
  struct place *places = calloc(tree->edge_count + 1, sizeof(*places));

  for (size_t i = 0; places != NULL && i < tree->edge_count; i++) {
    copse_copy(places[i].to, sizeof(places[i].to), tree->edges[i].to);
    places[i].edge = (uint32_t)i;
  }
  if (places != NULL)
    qsort(places, tree->edge_count, sizeof(*places), compare_places);
  return places;
}

int
copse_tree_branches(const struct copse_session *session, const struct copse_planned_tree *tree,
                    struct copse_branch *branches) {
  struct copse_set wanting = {0};
  struct place *places = sort_places(tree), key;
  int result = places == NULL ? -ENOMEM : find_wanting(session, &wanting);

  memset(branches, 0, tree->edge_count * sizeof(*branches));
  for (size_t i = tree->edge_count; i-- > 0 && result == 0;) { /* children come after their parents */
    const struct place *parent;

    branches[i].wanted |= copse_set_find(&wanting, tree->edges[i].to) != NULL;
    copse_copy(key.to, sizeof(key.to), tree->edges[i].from);
    parent = bsearch(&key, places, tree->edge_count, sizeof(*places), compare_places);
    branches[i].parent = parent == NULL ? COPSE_BRANCH_OF_ROOT : parent->edge;
    if (parent != NULL)
      branches[parent->edge].wanted |= branches[i].wanted;
  }
  copse_set_free(&wanting, NULL);
  free(places);
  return result;
}

uint32_t
copse_branches_reached(struct copse_branch *branches, size_t count) {
  uint32_t reached = 0;

  for (size_t i = 0; i < count; i++) {
    uint32_t parent = branches[i].parent;

    branches[i].reached = !branches[i].closed && (parent == COPSE_BRANCH_OF_ROOT || branches[parent].reached);
    reached += branches[i].reached;
  }
  return reached;
}
