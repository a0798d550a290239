/* SPDX-License-Identifier: Apache-2.0 */
#include "thinning.h"
#include <math.h>

#define ROUND_BLOCKS 16           /* between two changes, unless too much is lost before */
#define RANDOM_LOSS 0.25          /* may be random as long as nothing else is known: parity is sent up to it */
#define MARGIN 0.0625             /* over the loss that stays */
#define ROOM 0.75                 /* of what got through is asked for: the rest is for requests and reports */
#define STEP 0.015625             /* more after a round, twice as much after the next one; the least fraction, too */
#define SETTLING_NS 4000000000ULL /* until a dataplane does as its control plane is told, and queues are empty */

void
thinning_init(struct thinning *thinning) {
  *thinning = (struct thinning){.fraction = 1, .kept_loss = RANDOM_LOSS, .step = STEP, .first = true};
}

/* Steps of the golden ratio (Knuth's multiplicative hashing): whatever the fraction, the blocks that are taken are
 * spread evenly, and what neighbours with near numbers take overlaps least. */
bool
thinning_takes(const struct thinning *thinning, uint32_t block) {
  return (double)((block - thinning->number) * 2654435769U) < thinning->fraction * 0x1p32;
}

bool
thinning_counts(const struct thinning *thinning, uint32_t block, uint64_t begun) {
  return begun >= thinning->settled_ns && thinning_takes(thinning, block);
}

/* What is lost beyond what always is did not fit. */
static void
ask_for_less(struct thinning *thinning, double loss, uint64_t now) {
  const double through = (1 - loss) / (thinning->first ? 1 : 1 - thinning->kept_loss);

  thinning->fraction = fmax(STEP, thinning->fraction * through * ROOM);
  thinning->step = STEP;
  thinning->first = true;
  thinning->settled_ns = now + SETTLING_NS;
}

static void
ask_for_more(struct thinning *thinning, double loss) {
  if (thinning->first)
    thinning->kept_loss = fmin(RANDOM_LOSS, loss);
  thinning->first = false;
  thinning->fraction = fmin(1, thinning->fraction + thinning->step);
  thinning->step *= 2;
}

/* Loss that is no sign of too much: what is lost anyway, and what chance adds to it in a round. */
static double
usual_loss(const struct thinning *thinning) {
  return fmin(RANDOM_LOSS, 1.5 * thinning->kept_loss) + MARGIN;
}

bool
thinning_measured(struct thinning *thinning, double lost, uint64_t now) {
  const double loss = (thinning->lost += lost) / ++thinning->blocks;
  const bool less = thinning->lost > usual_loss(thinning) * ROUND_BLOCKS;

  if (!less && thinning->blocks < ROUND_BLOCKS)
    return false;
  thinning->lost = 0;
  thinning->blocks = 0;
  if (less)
    ask_for_less(thinning, loss, now);
  else if (thinning->fraction < 1)
    ask_for_more(thinning, loss);
  return less;
}
