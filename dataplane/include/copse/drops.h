/* SPDX-License-Identifier: Apache-2.0 */
/* Every reason for which a packet or a copy is not sent, once: enum, names, metrics and
 * documentation come from these lists. */
#ifndef COPSE_DROPS_H
#define COPSE_DROPS_H

/* Counted per received packet, before it is known to belong to a tree. */
#define COPSE_PACKET_DROPS(X)                                                                                          \
  X(NOT_BLOCK, "not_block", "not a UDP packet to the block port")                                                      \
  X(TRUNCATED, "truncated", "shorter than its headers say")                                                            \
  X(FRAGMENT, "fragment", "an IP fragment")                                                                            \
  X(BAD_CHECKSUM, "bad_checksum", "IP or UDP checksum is wrong")                                                       \
  X(BAD_VERSION, "bad_version", "unknown version of the block packet")                                                 \
  X(BAD_TYPE, "bad_type", "unknown or unexpected type of block packet")                                                \
  X(BAD_LENGTH, "bad_length", "length field and packet size disagree")                                                 \
  X(UNKNOWN_LABEL, "unknown_label", "no such label here")                                                              \
  X(STALE_LABEL, "stale_label", "the label belongs to an earlier generation")                                          \
  X(BAD_UPSTREAM, "bad_upstream", "the source is not the label's upstream")                                            \
  X(BAD_TAG, "bad_tag", "the tag is not made with the label's key")                                                    \
  X(REPLAY, "replay", "sequence seen before or too old")                                                               \
  X(HOP_LIMIT, "hop_limit", "no hops left")                                                                            \
  X(NOT_PERMITTED, "not_permitted", "the sender has not proven its address")                                           \
  X(NOT_SENDER, "not_sender", "the member has no tree to send on")                                                     \
  X(BAD_COOKIE, "bad_cookie", "the response does not carry our cookie")                                                \
  X(REPLY_FAILED, "reply_failed", "no buffer or no room for a handshake reply")

/* Counted per copy that a tree owed and did not send. */
#define COPSE_COPY_DROPS(X)                                                                                            \
  X(NO_ALLOWANCE, "no_allowance", "the tree's prepaid allowance is spent")                                             \
  X(RED, "red", "above the tree's peak rate")                                                                          \
  X(NOT_WANTED, "not_wanted", "the member or the whole subtree has the block already")                                 \
  X(OWN_PACKET, "own_packet", "the member is the one who sent it")                                                     \
  X(UNPROVEN, "unproven", "the member's address is not proven, or its permission expired")                             \
  X(MEMBER_RATE, "member_rate", "above the member's downlink")                                                         \
  X(LINK_BUDGET, "link_budget", "above the link's budget for peers' traffic")                                          \
  X(NO_NEIGHBOUR, "no_neighbour", "the next hop's link-layer address is not known")                                    \
  X(TOO_BIG, "too_big", "the copy is larger than the port's MTU")                                                      \
  X(NO_BUFFER, "no_buffer", "the packet pool is empty")                                                                \
  X(TX_FULL, "tx_full", "the port's transmit ring is full or the port is down")

/* Counted per STAMP packet that the main thread received and neither answered nor took as an answer. */
#define COPSE_STAMP_DROPS(X)                                                                                           \
  X(UNKNOWN_PEER, "unknown_peer", "the source is no target's address")                                                 \
  X(SHORT, "short", "shorter than a test packet of the session's mode")                                                \
  X(BAD_HMAC, "bad_hmac", "the HMAC is not made with the session's key")                                               \
  X(CORRUPT, "corrupt", "an error estimate that cannot be")                                                            \
  X(REPLAY, "replay", "not sent later than what was answered before")                                                  \
  X(RATE, "rate", "more test packets than a peer gets answered")                                                       \
  X(UNEXPECTED, "unexpected", "answers no test packet that waits for an answer")                                       \
  X(SEND_FAILED, "send_failed", "the kernel did not take the answer")

#define COPSE_DROP_ENUM(id, name, text) COPSE_DROP_##id,
enum copse_packet_drop { COPSE_PACKET_DROPS(COPSE_DROP_ENUM) COPSE_PACKET_DROP_COUNT };
enum copse_copy_drop { COPSE_COPY_DROPS(COPSE_DROP_ENUM) COPSE_COPY_DROP_COUNT };
#undef COPSE_DROP_ENUM
#define COPSE_STAMP_DROP_ENUM(id, name, text) COPSE_STAMP_DROP_##id,
enum copse_stamp_drop { COPSE_STAMP_DROPS(COPSE_STAMP_DROP_ENUM) COPSE_STAMP_DROP_COUNT };
#undef COPSE_STAMP_DROP_ENUM

#define COPSE_DROP_NAME(id, name, text) name,
static const char *const copse_packet_drop_names[] __attribute__((unused)) = {COPSE_PACKET_DROPS(COPSE_DROP_NAME)};
static const char *const copse_copy_drop_names[] __attribute__((unused)) = {COPSE_COPY_DROPS(COPSE_DROP_NAME)};
static const char *const copse_stamp_drop_names[] __attribute__((unused)) = {COPSE_STAMP_DROPS(COPSE_DROP_NAME)};
#undef COPSE_DROP_NAME

#endif
