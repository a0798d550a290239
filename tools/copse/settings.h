/* SPDX-License-Identifier: Apache-2.0 */
/* Where the control plane is and who we are to it. Options win over the environment, that over the configuration file:
 * the one named by --config or COPSE_CONFIG, or the first there is of $XDG_CONFIG_HOME/copse/copse.cfg (~/.config) and
 * /etc/copse/copse.cfg. */
#ifndef COPSE_SETTINGS_H
#define COPSE_SETTINGS_H

#include <copse/error.h>
#include <stdbool.h>

struct settings {
  char *endpoint;   /* https://host:port, without a path */
  char *token_file; /* null: none is needed, or `token` */
  char *token;      /* of COPSE_TOKEN, then of the file */
  char *ca;         /* PEM; null: the system's authorities */
};

/* What was given as options; null: not given. */
struct setting_options {
  const char *config, *endpoint, *token_file, *ca;
};

/* Negative errno with a sentence. Free in both cases. */
int settings_read(struct settings *settings, const struct setting_options *options, struct copse_error *error);
/* A configuration file alone; `text` null: read from the path, else `path` names it in errors. */
int settings_read_file(struct settings *settings, const char *path, const char *text, struct copse_error *error);
void settings_free(struct settings *settings);

#endif
