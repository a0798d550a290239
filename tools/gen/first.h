/* SPDX-License-Identifier: Apache-2.0 */
/* How long the first packet after a silence takes. */
#ifndef GEN_FIRST_H
#define GEN_FIRST_H

#include "run.h"

/* Sends `trials` packets, each after 50 to 300 ms of silence, and waits for the first copy of each at most 100 ms; ns
 * from the sending to the arrival go to the sink's times. Fills of `run` what was generated, received and whether the
 * device was there to the end. */
void gen_first(struct gen_run *run, uint32_t trials, struct gen_device *device, struct gen_traffic *traffic,
               struct gen_sink *sink);

#endif
