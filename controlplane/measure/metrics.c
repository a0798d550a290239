/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus text of what is measured of the links from here. */
#include "session/state.h"
#include "watch.h"
#include <inttypes.h>

static void
write_gauges(const struct copse_control *control, FILE *out) {
  static const char *const names[] = {"copse_link_capacity_ratio", "copse_link_loss_ratio", "copse_link_delay_seconds",
                                      "copse_link_jitter_seconds"};
  static const char *const helps[] = {
    "What a link is worth of its configured bandwidth: 1 up, 0 down.", "Share of test packets lost on their way there.",
    "Half of the round trip without the stay at the other end.", "Interarrival jitter of the way there (RFC 3550)."};
  const struct copse_set *watches = &control->measure.watches;

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    copse_metrics_head(out, names[i], "gauge", helps[i]);
    for (size_t j = 0; j < watches->count; j++) {
      const struct copse_watch *watch = watches->items[j];
      const struct copse_measured_record *now = &watch->now;
      const double values[] = {(double)now->capacity_percent / 100, now->loss, now->delay_ms / 1000,
                               now->jitter_ms / 1000};

      fprintf(out, "%s{from=\"%s\",to=\"%s\"} %.9g\n", names[i], control->config->pop, strchr(watch->name, '/') + 1,
              values[i]);
    }
  }
}

static void
write_counters(const struct copse_control *control, const struct copse_counters *mapped, FILE *out) {
  static const struct {
    const char *name, *help;
    size_t offset;
  } fields[] = {
    {"copse_stamp_sent_total", "Test packets sent.", offsetof(struct copse_target_state, sent)},
    {"copse_stamp_answered_total", "Test packets answered.", offsetof(struct copse_target_state, answered)},
    {"copse_stamp_forward_lost_total", "Test packets lost.", offsetof(struct copse_target_state, forward_lost)},
    {"copse_stamp_backward_lost_total", "Answers lost.", offsetof(struct copse_target_state, backward_lost)},
    {"copse_stamp_reflected_total", "Test packets of others answered.", offsetof(struct copse_target_state, reflected)},
  };
  const struct copse_set *targets = &control->nodes.shadow.targets;

  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    copse_metrics_head(out, fields[i].name, "counter", fields[i].help);
    for (size_t j = 0; j < targets->count; j++) {
      const struct copse_shadow_target *target = targets->items[j];
      struct copse_target_state state;
      uint64_t value;

      copse_counters_target(mapped, target->set.slot, &state);
      memcpy(&value, (const char *)&state + fields[i].offset, sizeof(value));
      fprintf(out, "%s{pop=\"%s\"} %" PRIu64 "\n", fields[i].name, target->name, value);
    }
  }
}

void
copse_measure_metrics(const struct copse_control *control, FILE *out) {
  const struct copse_counters *mapped = copse_dataplane_counters(control->dataplane);
  struct copse_stamp_counters stamp;

  write_gauges(control, out);
  if (mapped == NULL || control->nodes.state < COPSE_NODES_READY)
    return;
  write_counters(control, mapped, out);
  copse_counters_stamp(mapped, &stamp);
  copse_metrics_head(out, "copse_stamp_drops_total", "counter", "STAMP packets received and dropped, by reason.");
  for (size_t i = 0; i < COPSE_STAMP_DROP_COUNT; i++)
    fprintf(out, "copse_stamp_drops_total{reason=\"%s\"} %" PRIu64 "\n", copse_stamp_drop_names[i], stamp.drops[i]);
}
