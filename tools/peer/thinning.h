/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the coming blocks a receiver takes from trees: all of them, or as many as its way carries whole
 * (docs/decisions/thinning.md). The others come from its neighbours, who take another part. No clock. */
#ifndef PEER_THINNING_H
#define PEER_THINNING_H

#include <stdbool.h>
#include <stdint.h>

struct thinning {
  uint32_t number;     /* of the member, dense among its neighbours */
  double fraction;     /* of the blocks, that trees are asked for */
  double step;         /* more after this round */
  double kept_loss;    /* that asking for less does not take away */
  double lost;         /* of this round's blocks, the sum */
  uint32_t blocks;     /* in this round */
  bool first;          /* round since less was asked for */
  uint64_t settled_ns; /* blocks begun before do not count */
};

/* Every block, as long as nothing is known. */
void thinning_init(struct thinning *thinning);
/* Trees are asked for the block. */
bool thinning_takes(const struct thinning *thinning, uint32_t block);
/* What is lost of the block, whose first symbol came at `begun`, says something of the fraction. */
bool thinning_counts(const struct thinning *thinning, uint32_t block, uint64_t begun);
/* Of a block that counts this part was lost. True when less is asked for from `now` on. */
bool thinning_measured(struct thinning *thinning, double lost, uint64_t now);

#endif
