/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define STOCK 32     /* buffers taken at once */
#define ADDRESSES 42 /* Ethernet, IPv4, UDP */

struct target {
  uint8_t header[48];
  uint32_t checksum;
  uint64_t bucket;
};

static struct target targets[BENCH_FAN_OUT_MAX];
static struct rte_mbuf *out[COPSE_TX_BURST];
static uint32_t waiting;

static void
flush(const struct bench *bench) {
  const uint16_t sent = rte_eth_tx_burst(bench->port, 0, out, (uint16_t)waiting);

  rte_pktmbuf_free_bulk(out + sent, waiting - sent);
  waiting = 0;
}

static void
send_one(const struct bench *bench, struct rte_mbuf *frame) {
  if (waiting == COPSE_TX_BURST)
    flush(bench);
  out[waiting++] = frame;
}

static void
write_addresses(uint8_t *at, struct target *target, uint16_t l3_bytes, uint64_t now) {
  struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(at + 14);

  memcpy(at, target->header, ADDRESSES);
  ip->total_length = rte_cpu_to_be_16(l3_bytes);
  ip->hdr_checksum = (uint16_t)~__rte_raw_cksum_reduce(target->checksum + ip->total_length);
  ((struct rte_udp_hdr *)(ip + 1))->dgram_len = rte_cpu_to_be_16((uint16_t)(l3_bytes - 20));
  target->bucket = RTE_MAX(target->bucket, now) + l3_bytes;
}

static void
rewrite(const struct bench *bench, struct rte_mbuf *packet, uint32_t number, uint64_t now) {
  write_addresses(rte_pktmbuf_mtod(packet, uint8_t *), &targets[number], (uint16_t)(packet->pkt_len - 14), now);
  send_one(bench, packet);
}

static void
copy(const struct bench *bench, struct rte_mbuf *packet, uint32_t fan_out, uint64_t now) {
  struct rte_mbuf *frames[STOCK];
  const uint16_t bytes = packet->data_len;

  for (uint32_t done = 0; done < fan_out - 1;) {
    const uint32_t count = RTE_MIN(fan_out - 1 - done, (uint32_t)STOCK);
    if (rte_pktmbuf_alloc_bulk(bench->pools.copy, frames, count) != 0)
      break;
    for (uint32_t i = 0; i < count; i++, done++) {
      uint8_t *at = rte_pktmbuf_mtod(frames[i], uint8_t *);
      write_addresses(at, &targets[done], bytes - 14, now);
      memcpy(at + ADDRESSES, rte_pktmbuf_mtod_offset(packet, uint8_t *, ADDRESSES), bytes - ADDRESSES);
      frames[i]->data_len = bytes;
      frames[i]->pkt_len = bytes;
      send_one(bench, frames[i]);
    }
  }
  rewrite(bench, packet, fan_out - 1, now);
}

static void
share(const struct bench *bench, struct rte_mbuf *packet, uint32_t fan_out, uint64_t now) {
  struct rte_mbuf *frames[STOCK];
  const uint16_t bytes = packet->data_len;

  rte_pktmbuf_adj(packet, ADDRESSES);
  rte_pktmbuf_refcnt_update(packet, (int16_t)(fan_out - 1));
  for (uint32_t done = 0; done < fan_out;) {
    const uint32_t count = RTE_MIN(fan_out - done, (uint32_t)STOCK);
    if (rte_pktmbuf_alloc_bulk(bench->pools.header, frames, count) != 0)
      break;
    for (uint32_t i = 0; i < count; i++, done++) {
      write_addresses(rte_pktmbuf_mtod(frames[i], uint8_t *), &targets[done], bytes - 14, now);
      frames[i]->data_len = ADDRESSES;
      frames[i]->pkt_len = bytes;
      frames[i]->nb_segs = 2;
      frames[i]->next = packet;
      send_one(bench, frames[i]);
    }
  }
}

void
bench_bare(struct bench *bench, uint32_t fan_out, uint64_t now) {
  struct rte_mbuf *frames[COPSE_BURST];
  const unsigned count = rte_eth_rx_burst(bench->port, 0, frames, COPSE_BURST);

  for (unsigned i = 0; i < count; i++)
    rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
  for (unsigned i = 0; i < count; i++)
    if (fan_out == 1)
      rewrite(bench, frames[i], 0, now);
    else if (frames[i]->data_len <= COPSE_COPY_BYTES)
      copy(bench, frames[i], fan_out, now);
    else
      share(bench, frames[i], fan_out, now);
  flush(bench);
}
