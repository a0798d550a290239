/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum (RFC 1071) over segments. DPDK 22.11's rte_raw_cksum_mbuf loses the carries of a segment that
 * begins at an odd offset. */
#ifndef COPSE_CHECKSUM_H
#define COPSE_CHECKSUM_H

#include <rte_ip.h>
#include <rte_mbuf.h>

/* Sum, in memory order and not inverted, of `bytes` bytes from `offset` on; the packet must have them. */
static inline uint16_t
copse_sum(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t bytes) {
  uint32_t sum = 0, done = 0;

  for (; offset > mbuf->data_len; mbuf = mbuf->next)
    offset -= mbuf->data_len;
  for (; done < bytes; mbuf = mbuf->next, offset = 0) {
    const uint32_t here = RTE_MIN(mbuf->data_len - offset, bytes - done);
    const uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(mbuf, const void *, offset), here);
    sum += done & 1 ? rte_bswap16(part) : part;
    done += here;
  }
  return __rte_raw_cksum_reduce(sum);
}

#endif
