/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that listen at a Unix socket for their other end: virtio-user as a server, vhost unless it is a client. */
#ifndef COPSE_PORTS_LISTENER_H
#define COPSE_PORTS_LISTENER_H

/* Removes the socket that a killed dataplane left where the device of this device string is to listen: its driver does
 * not start where there is one. A socket at which somebody listens, and any other file, stays. */
void copse_listener_clear(const char *device);

#endif
