/* SPDX-License-Identifier: Apache-2.0 */
/* One line to a person on standard error. */
#ifndef PEER_SAY_H
#define PEER_SAY_H

/* `copse-peer: ` and the sentence; a progress bar on the same terminal is wiped first. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
