/* SPDX-License-Identifier: Apache-2.0 */
/* The UDP socket of block packets. */
#ifndef PEER_UDP_H
#define PEER_UDP_H

#include "packet.h"
#include <copse/error.h>
#include <sys/socket.h>

/* Binds a non-blocking socket to the address (IPv4 or IPv6) and port (0: any), with large buffers. Writes the port it
 * got. Returns the descriptor, or a negative errno with a sentence. */
int udp_open(const char *address, uint16_t *port, struct copse_error *error);

/* Reads what has come, in batches, at most a few hundred packets; those of impossible size are left out. */
void udp_receive(int fd, void (*packet)(void *context, const uint8_t *bytes, size_t count), void *context);

/* Bytes of IP and UDP headers of a packet to that address. */
uint32_t udp_overhead(const struct sockaddr_storage *destination);

#endif
