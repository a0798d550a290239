/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of one of its network devices. */
#ifndef COPSE_INTERFACE_H
#define COPSE_INTERFACE_H

#include <copse/error.h>
#include <stdbool.h>
#include <stdint.h>

struct copse_interface {
  unsigned index;
  uint32_t mtu;
  uint32_t queues; /* receive queues in use */
  bool combined;   /* each with its transmit queue */
  bool up;
};

/* Asks for the device of that name in this network namespace. -ENODEV or another negative errno with a sentence. */
int copse_interface_read(const char *name, struct copse_interface *out, struct copse_error *error);

#endif
