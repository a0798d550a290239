/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake of docs/protocol.md, made for members over the device itself. */
#ifndef GEN_PERMIT_H
#define GEN_PERMIT_H

#include "traffic.h"

/* Members 0 to `members` - 1 prove their addresses, one after the other. -ETIMEDOUT. */
int gen_permit(struct gen_device *device, uint32_t trees_limit, uint32_t members, struct copse_error *error);

#endif
