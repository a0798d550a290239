/* SPDX-License-Identifier: Apache-2.0 */
/* The Range header of RFC 9110, section 14, as far as peers use it: one range of bytes. */
#ifndef PEER_RANGE_H
#define PEER_RANGE_H

#include <stdint.h>

/* Reads `bytes=a-b`, `bytes=a-` or `bytes=-n` for content of `size` bytes into [*first, *first + *length). A null
 * header means all of it. 0; -ERANGE when it cannot be satisfied, -EINVAL when it is not one such range. */
int range_parse(const char *header, uint64_t size, uint64_t *first, uint64_t *length);

#endif
