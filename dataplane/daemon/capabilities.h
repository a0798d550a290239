/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COPSE_CAPABILITIES_H
#define COPSE_CAPABILITIES_H

#include <copse/error.h>
#include <stdbool.h>

/* Drops, for this thread and those it starts, the capabilities that ports beside the kernel do not need. With PCI
 * ports, whose drivers differ in what they need, all stay. No program started from here gains any. Negative errno with
 * a sentence; -EPERM when there are AF_XDP ports and what they need is not there. */
int copse_capabilities_drop(bool pci, bool xdp, struct copse_error *error);

#endif
