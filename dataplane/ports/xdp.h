/* SPDX-License-Identifier: Apache-2.0 */
/* Our XDP program on an interface. The AF_XDP driver loads and attaches it; what is left to do is before and after. */
#ifndef COPSE_PORTS_XDP_H
#define COPSE_PORTS_XDP_H

#include "xdp/copse_xdp.h"

#include <copse/error.h>
#include <net/if.h>
#include <stddef.h>

struct copse_xdp {
  char interface[IFNAMSIZ];
  unsigned index; /* of the interface */
  int claim;      /* on it, until closed; -1: none */
};

/* Claims the interface for this process, among all of its network namespace, and removes the program that a killed
 * dataplane left on it. -EBUSY when another dataplane or another XDP program has the interface, or another negative
 * errno, with a sentence. Needs CAP_SYS_ADMIN where a program is attached, to see whose it is. */
int copse_xdp_claim(struct copse_xdp *xdp, struct copse_error *error);

/* Tells the program, which this process has loaded and attached, what packets are ours. One without a `copse_config`
 * map, an operator's own, is left as it is. Negative errno with a sentence. */
int copse_xdp_configure(const struct copse_xdp *xdp, const struct copse_xdp_config *config, struct copse_error *error);

/* Gives the interface back, without a program. */
void copse_xdp_release(struct copse_xdp *xdp);

/* Path of the program: beside this executable as built, or installed. Negative errno with a sentence. */
int copse_xdp_find(char *path, size_t size, struct copse_error *error);

#endif
