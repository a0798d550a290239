/* SPDX-License-Identifier: Apache-2.0 */
/* Our XDP program on an interface. The AF_XDP driver loads and attaches it; what is left to do is before and after. */
#ifndef COPSE_PORTS_XDP_H
#define COPSE_PORTS_XDP_H

#include "xdp/copse_xdp.h"

#include <copse/error.h>
#include <stddef.h>

/* Claims an interface for this process, among all of its network namespace, and removes the program that a killed
 * dataplane left on it. Returns a descriptor that holds the claim until closed; -EBUSY when another dataplane or
 * another XDP program has the interface, or another negative errno, with a sentence. */
int copse_xdp_claim(const char *interface, unsigned index, struct copse_error *error);

/* Tells the attached program which packets are ours. A program without a `copse_config` map, an operator's own, is left
 * as it is. Negative errno with a sentence. */
int copse_xdp_configure(const char *interface, unsigned index, const struct copse_xdp_config *config,
                        struct copse_error *error);

/* Detaches our program if it is still there. */
void copse_xdp_detach(unsigned index);

/* Path of the program: beside this executable as built, or installed. Negative errno with a sentence. */
int copse_xdp_find(char *path, size_t size, struct copse_error *error);

#endif
