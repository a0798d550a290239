/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of copse-peer. */
#ifndef PEER_OPTIONS_H
#define PEER_OPTIONS_H

#include "entry.h"
#include "pops.h"
#include <copse/error.h>
#include <stdbool.h>

enum command { COMMAND_SHARE, COMMAND_GET };

struct options {
  enum command command;
  const char *file;                /* to share, or where to write; null: the name in the manifest */
  char session[SESSION_CHARS + 1]; /* empty: make one */
  struct pops pops;                /* in order of preference; owned */
  char *token;                     /* owned */
  const char *ca;                  /* null: the system's */
  const char *address;
  uint64_t up_bps, down_bps;
  uint16_t port, http_port;
  bool json, leave, direct;
};

/* Bits per second from `20M`, `200k`, `20e6`; k, M and G are decimal. False when it is not a rate from 1 kbit/s to
 * 100 Gbit/s. */
bool options_rate(const char *text, uint64_t *bps);

/* Fills the options. 0; 1 when the whole answer was printed (--help, --version); -EINVAL with a sentence, or what
 * reading the token file failed with. */
int options_parse(int argc, char **argv, struct options *options, struct copse_error *error);
void options_free(struct options *options);

#endif
