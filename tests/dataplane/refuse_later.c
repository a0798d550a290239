/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused of a sender whose packets were taken before: its numbers again, and all after its permission. */
#include "harness.h"

TestSuite(refuse_later, .init = harness_start, .fini = harness_stop);

static void
plant(void) {
  const struct copse_api_hop hops[] = {{COPSE_HOP_LINK, 0, 0x10001, 0}, {COPSE_HOP_MEMBER, 2, 0xa002, 0}};

  add_usual_link(0, 0);
  add_proven_member(1, 0);
  add_proven_member(2, COPSE_SLOT_NONE);
  add_tree(&batch, tree(0, 0xabc), hops, 2);
  commit();
}

Test(refuse_later, replayed) {
  plant();
  for (uint64_t sequence = 1000; sequence < 3000; sequence += 100) {
    const struct frame_spec spec = from_member(1, sequence);
    send_frame(&spec);
    send_frame(&spec);
  }
  const struct frame_spec old = from_member(1, 2900 - 961), in_window = from_member(1, 2900 - 959);
  send_frame(&old);
  send_frame(&in_window);
  cr_assert(eq(u64, packet_drops(COPSE_DROP_REPLAY), 21));
  cr_assert(eq(u64, counters()->admitted, 21));
}

/* Neighbours are decided about together: the same number twice, forged ones, an old one, and the next word. */
Test(refuse_later, replayed_and_forged_within_a_burst) {
  static const struct {
    uint64_t sequence;
    bool forged;
  } packets[] = {{1000, false}, {1000, false}, {1001, true}, {1001, false}, {1002, true}, {39, false},
                 {1003, false}, {1004, false}, {1024, true}, {1025, false}, {1004, false}};
  struct frame frame;

  plant();
  for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
    const struct frame_spec spec = from_member(1, packets[i].sequence);
    frame_build(&frame, &spec);
    memset(frame.bytes + AT_UDP + 6, 0, 2);
    frame.bytes[AT_HEADER + offsetof(struct copse_header, tag)] ^= packets[i].forged;
    inject(0, &frame, 0);
  }
  run_once();
  cr_assert(eq(u64, packet_drops(COPSE_DROP_REPLAY), 3));
  cr_assert(eq(u64, packet_drops(COPSE_DROP_BAD_TAG), 3));
  cr_assert(eq(u64, counters()->admitted, 5));
  for (uint64_t sequence = 1000; sequence < 1026; sequence++) { /* what was forged has taken no number */
    const struct frame_spec spec = from_member(1, sequence);
    send_frame(&spec);
  }
  cr_assert(eq(u64, packet_drops(COPSE_DROP_REPLAY), 3 + 5));
  cr_assert(eq(u64, counters()->admitted, 26));
}

Test(refuse_later, after_the_permission_expired) {
  const struct frame_spec first = from_member(1, 1), second = from_member(1, 2);

  plant();
  now += 60 * SECOND - 1;
  send_frame(&first);
  cr_assert(eq(u64, counters()->admitted, 1));
  cr_assert(eq(u64, counters()->copies_sent, 2));
  now++;
  send_frame(&second);
  cr_assert(eq(u64, counters()->admitted, 1));
  cr_assert(eq(u64, packet_drops(COPSE_DROP_NOT_PERMITTED), 1));
}
