/* SPDX-License-Identifier: Apache-2.0 */
/* The links from here: which PoPs our dataplane measures, what comes of it, and what of that the store is told. */
#ifndef COPSE_MEASURE_H
#define COPSE_MEASURE_H

#include "session/set.h"
#include <stdint.h>
#include <stdio.h>

struct copse_control;

struct copse_measure {
  struct copse_set watches; /* struct copse_watch, of the links from here */
  uint64_t walked_ms;
};

/* targets.c: queues the operations that keep the dataplane's targets in step with PoPs and links. */
void copse_measure_targets(struct copse_control *control, uint64_t now_ms);

/* measure.c: reads the dataplane's results and writes what has changed. Does nothing when called again too soon. */
void copse_measure_walk(struct copse_control *control, uint64_t now_ms);
void copse_measure_stop(struct copse_control *control);
/* One way delay to a PoP, ms: measured, else as configured; infinite when nothing is known. */
double copse_measure_delay(const struct copse_control *control, const char *pop);

/* metrics.c */
void copse_measure_metrics(const struct copse_control *control, FILE *out);

#endif
