/* SPDX-License-Identifier: Apache-2.0 */
/* The session most tests are about: three PoPs, a seed at N1, another at N2, and somebody at N3 who wants the content
 * of 1 000 blocks; all are of account alice. */
#ifndef THREE_H
#define THREE_H

#include "cluster.h"

#define S "0123456789abcdef0123456789abcdef"
#define GB 1000000000ULL

extern struct cluster cluster;
extern char *seed, *other_seed, *leecher; /* members, freed by three_stop */

/* Runs until all trees are installed and nothing else is. */
void three_start(const char *more, uint64_t credit);
void three_stop(void);

/* For cluster_until, `session` is S. Every PoP roots a tree of the plan, and it is whole: the root's label record is
 * there. */
bool three_are_whole(struct cluster *c, const char *session);
/* Trees and members of a session in all dataplanes are those of plan and store, and nothing more. */
bool three_are_settled(struct cluster *c, const char *session);
/* Both. */
bool three_are_restored(struct cluster *c, const char *session);
/* The session is finished and nothing of its trees is left. */
bool three_are_over(struct cluster *c, const char *session);
/* The plan has no tree of N1. */
bool three_without_n1(struct cluster *c, const char *session);

/* A PoP's number by its name. */
size_t three_pop(const char *name);
/* A tree in the dataplane of a PoP; fails the test when it is not there. */
struct fake_tree *three_tree(size_t pop, const char *id);
/* The range of the first order in the answer to a sync, or count 0. */
void three_first_order(json_t *answer, json_int_t *first, json_int_t *count);
/* How many orders a complete member of alice's has when it asks for some. */
size_t three_order_count(size_t pop, const char *member);

#endif
