/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of tcp.h: its two ends know nothing of each other but packets. */
#ifndef SIM_TCP_ENDS_H
#define SIM_TCP_ENDS_H

#include "tcp.h"

void sim_tcp_receive_init(struct sim_tcp *tcp);

#endif
