/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum (RFC 1071), of headers and over segments. DPDK 22.11's rte_raw_cksum_mbuf loses the carries of
 * a segment that begins at an odd offset; its rte_raw_cksum takes a header in pieces of 2 bytes. */
#ifndef COPSE_CHECKSUM_H
#define COPSE_CHECKSUM_H

#include <rte_ip.h>
#include <rte_mbuf.h>

/* Sum, in memory order and not inverted, of bytes that are contiguous. */
static inline uint16_t
copse_sum_bytes(const void *at, uint32_t bytes) {
  const uint8_t *from = (const uint8_t *)at, *const whole = from + (bytes & ~7U);
  uint64_t sum = 0, eight;
  uint32_t four;
  uint16_t two;

  for (; from != whole; from += sizeof(eight)) {
    memcpy(&eight, from, sizeof(eight));
    sum += (eight & UINT32_MAX) + (eight >> 32);
  }
  if (bytes & sizeof(four)) {
    memcpy(&four, from, sizeof(four));
    sum += four;
    from += sizeof(four);
  }
  if (bytes & sizeof(two)) {
    memcpy(&two, from, sizeof(two));
    sum += two;
    from += sizeof(two);
  }
  if (bytes & 1)
    sum += rte_cpu_to_be_16((uint16_t)(*from << 8));
  sum = (sum & UINT32_MAX) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* The same of `bytes` bytes from `offset` on; the packet must have them. */
static inline uint16_t
copse_sum(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t bytes) {
  uint32_t sum = 0, done = 0;

  for (; offset > mbuf->data_len; mbuf = mbuf->next)
    offset -= mbuf->data_len;
  for (; done < bytes; mbuf = mbuf->next, offset = 0) {
    const uint32_t here = RTE_MIN(mbuf->data_len - offset, bytes - done);
    const uint16_t part = copse_sum_bytes(rte_pktmbuf_mtod_offset(mbuf, const void *, offset), here);
    sum += done & 1 ? rte_bswap16(part) : part;
    done += here;
  }
  return __rte_raw_cksum_reduce(sum);
}

#endif
