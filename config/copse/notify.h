/* SPDX-License-Identifier: Apache-2.0 */
/* What the service manager is told, in the protocol of sd_notify(3). */
#ifndef COPSE_NOTIFY_H
#define COPSE_NOTIFY_H

#include <stdint.h>

/* Sends one state, as in "READY=1", to $NOTIFY_SOCKET. Without one, or if nobody listens, nothing happens. */
void copse_notify(const char *state);

/* Microseconds after which the service manager misses WATCHDOG=1, or 0 if it does not wait for any. */
uint64_t copse_watchdog_us(void);

#endif
