/* SPDX-License-Identifier: Apache-2.0 */
/* What every command of copse is given, and the table of them. Commands return 0 or a negative errno with a sentence.
 */
#ifndef COPSE_COMMAND_H
#define COPSE_COMMAND_H

#include "client.h"
#include "table.h"

/* Options that not every command takes. */
enum command_option { OPTION_DOT = 1U << 0, OPTION_ONCE = 1U << 1, OPTION_DELAY = 1U << 2, OPTION_COUNT = 1U << 3 };

struct context {
  struct client *client; /* null for commands that are `local` */
  const struct settings *settings;
  struct look look;
  bool json;
  bool dot, once;
  double delay_s;
  unsigned long count; /* 0: no end */
  char **words;        /* after the command's name */
  int word_count;
};

struct command {
  const char *name;
  const char *arguments; /* as in the usage line; "" for none */
  const char *summary;   /* one line */
  const char *help;      /* more lines, or "" */
  int words_max;
  unsigned options;
  bool local; /* needs no control plane */
  int (*run)(struct context *context, struct copse_error *error);
};

extern const struct command commands[];
extern const size_t command_count;

int run_status(struct context *context, struct copse_error *error);
int run_pops(struct context *context, struct copse_error *error);
int run_links(struct context *context, struct copse_error *error);
int run_sessions(struct context *context, struct copse_error *error);
int run_trees(struct context *context, struct copse_error *error);
int run_peers(struct context *context, struct copse_error *error);
int run_credit(struct context *context, struct copse_error *error);
int run_drops(struct context *context, struct copse_error *error);
int run_why(struct context *context, struct copse_error *error);
int run_top(struct context *context, struct copse_error *error);
int run_events(struct context *context, struct copse_error *error);
int run_config(struct context *context, struct copse_error *error);

/* Prints an object as JSON and consumes it. */
int print_json(json_t *json, struct copse_error *error);
/* Prints {"name": list}, consumes the list. */
int print_json_list(const char *name, json_t *list, struct copse_error *error);

#endif
