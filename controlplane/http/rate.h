/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket per client address, in bounded memory. IPv6 clients are counted per /64, which is one subscriber. */
#ifndef COPSE_HTTP_RATE_H
#define COPSE_HTTP_RATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct copse_rate;

/* `per_s` requests per second, `burst` at once; both at least 1. Null when memory is short. */
struct copse_rate *copse_rate_create(double per_s, uint64_t burst);
void copse_rate_free(struct copse_rate *rate);
/* Takes one request of the address at `now_ns` (monotonic); false when there is none left. */
bool copse_rate_take(struct copse_rate *rate, const struct sockaddr *address, uint64_t now_ns);

#endif
