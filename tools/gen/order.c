/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include <errno.h>
#include <stdlib.h>

static int
choice(const char *text, const char *const *list) {
  for (int i = 0; list[i] != NULL; i++)
    if (strcmp(text, list[i]) == 0)
      return i;
  return -1;
}

static int
set_number(struct gen_order *order, const char *name, const char *value) {
  const struct {
    const char *name;
    uint32_t *field;
    uint32_t minimum, maximum;
  } numbers[] = {
    {"frame", &order->frame, GEN_FRAME_MIN, GEN_FRAME_MAX - GEN_VIRTIO_HEADER},
    {"fanout", &order->fanout, 1, GEN_HOPS_MAX},
    {"trees", &order->trees, 1, 1 << 20},
    {"zipf", &order->zipf, 0, 1},
    {"ms", &order->ms, GEN_SLICE_MS, GEN_SLICE_MS * GEN_SLICES_MAX},
    {"burst_us", &order->burst_us, COPSE_BURST_MIN_US, COPSE_BURST_MAX_US},
    {"greedy", &order->greedy, 0, GEN_ORDER},
    {"take", &order->take, 0, UINT32_MAX},
    {"commits", &order->commits, 0, 10000},
    {"first", &order->first, 0, 10000},
  };
  char *end;
  const uint64_t number = strtoull(value, &end, 10);

  if (end == value || *end != '\0')
    return -EINVAL;
  if (strcmp(name, "rate") == 0 || strcmp(name, "bps") == 0) {
    *(*name == 'r' ? &order->rate : &order->bps) = number;
    return 0;
  }
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
    if (strcmp(name, numbers[i].name) == 0 && number >= numbers[i].minimum && number <= numbers[i].maximum) {
      *numbers[i].field = (uint32_t)number;
      return 0;
    }
  return -EINVAL;
}

static int
set(struct gen_order *order, const char *name, const char *value) {
  static const char *const kinds[] = {"link", "member", NULL}, *const sinks[] = {"null", "copy", "check", "time", NULL},
                           *const expects[] = {"copse", "bare", "io", NULL};
  int index;

  if (strcmp(name, "kind") == 0 && (index = choice(value, kinds)) >= 0)
    order->kind = index == 0 ? GEN_LINK : GEN_MEMBER;
  else if (strcmp(name, "sink") == 0 && (index = choice(value, sinks)) >= 0)
    order->sink = (enum gen_sink_mode)index;
  else if (strcmp(name, "expect") == 0 && (index = choice(value, expects)) >= 0)
    order->expect = (unsigned)index;
  else
    return set_number(order, name, value);
  return 0;
}

int
gen_order_parse(struct gen_order *order, const char *line, struct copse_error *error) {
  char copy[512], *rest = copy, *word;

  *order = (struct gen_order){.frame = 1400, .fanout = 1, .trees = 1, .ms = 300, .burst_us = 4000, .kind = GEN_LINK};
  if (strlen(line) >= sizeof(copy))
    return copse_fail(error, -E2BIG, "the line is too long");
  memcpy(copy, line, strlen(line) + 1);
  while ((word = strsep(&rest, " \n")) != NULL) {
    char *value = strchr(word, '=');
    if (*word == '\0')
      continue;
    if (value != NULL)
      *value++ = '\0';
    if (value == NULL || set(order, word, value) != 0)
      return copse_fail(error, -EINVAL, "'%s' is not understood or out of range", word);
  }
  if (order->first > 0)
    order->sink = GEN_TIME;
  return 0;
}
