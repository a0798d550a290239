/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"
#include <copse/schema.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENDPOINT_DEFAULT "https://127.0.0.1:7118"
#define TOKEN_MAX 512

static const struct copse_key keys[] = {
  {.name = "endpoint",
   .kind = COPSE_KEY_STRING,
   .offset = offsetof(struct settings, endpoint),
   .string = ENDPOINT_DEFAULT,
   .help = "URL of a control plane, https://host:port"},
  {.name = "token_file",
   .kind = COPSE_KEY_STRING,
   .offset = offsetof(struct settings, token_file),
   .help = "file that holds the token"},
  {.name = "ca",
   .kind = COPSE_KEY_STRING,
   .offset = offsetof(struct settings, ca),
   .help = "PEM file with the certificates to trust; none: the system's"},
  {.name = NULL},
};

static int
check_endpoint(struct settings *settings, const char *where, struct copse_error *error) {
  size_t length = strlen(settings->endpoint);

  while (length > 0 && settings->endpoint[length - 1] == '/')
    settings->endpoint[--length] = '\0';
  if (strncmp(settings->endpoint, "https://", 8) != 0 || length == 8 ||
      strpbrk(settings->endpoint, " \t\r\n?#") != NULL || strchr(settings->endpoint + 8, '/') != NULL)
    return copse_fail(error, -EINVAL, "%s: the endpoint must be https://host:port, not '%s'", where,
                      settings->endpoint);
  return 0;
}

int
settings_read_file(struct settings *settings, const char *path, const char *text, struct copse_error *error) {
  int result = text != NULL ? copse_config_read_text(path, text, keys, settings, error)
                            : copse_config_read(path, keys, settings, error);

  return result == 0 ? check_endpoint(settings, path, error) : result;
}

static int
replace(char **field, const char *value, struct copse_error *error) {
  if (value == NULL || value[0] == '\0')
    return 0;
  free(*field);
  *field = strdup(value);
  return *field != NULL ? 0 : copse_fail(error, -ENOMEM, "no memory");
}

/* The path of the file to read, allocated; null when there is none. */
static char *
find_file(const struct setting_options *options) {
  const char *named = options->config != NULL ? options->config : getenv("COPSE_CONFIG");
  const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
  char *path = NULL;

  if (named != NULL)
    return strdup(named);
  if (base != NULL && base[0] == '/' ? asprintf(&path, "%s/copse/copse.cfg", base) < 0
                                     : asprintf(&path, "%s/.config/copse/copse.cfg", home != NULL ? home : "") < 0)
    return NULL;
  if (access(path, F_OK) == 0)
    return path;
  free(path);
  return access("/etc/copse/copse.cfg", F_OK) == 0 ? strdup("/etc/copse/copse.cfg") : NULL;
}

static int
check_token(const char *token, const char *where, struct copse_error *error) {
  for (const char *at = token; *at != '\0'; at++)
    if (*at <= ' ' || *at > '~')
      return copse_fail(error, -EINVAL, "%s: the token has characters no token has", where);
  return token[0] != '\0' ? 0 : copse_fail(error, -EINVAL, "%s: there is no token in it", where);
}

/* The first line of the file. */
static int
read_token(struct settings *settings, struct copse_error *error) {
  char line[TOKEN_MAX] = "";
  FILE *file = fopen(settings->token_file, "re");
  int result = 0;

  if (file == NULL)
    return copse_fail(error, -errno, "%s: the token cannot be read: %s", settings->token_file, strerror(errno));
  if (fgets(line, sizeof(line), file) == NULL && ferror(file))
    result = copse_fail(error, -EIO, "%s: the token cannot be read", settings->token_file);
  fclose(file);
  line[strcspn(line, "\r\n")] = '\0';
  if (result == 0)
    result = check_token(line, settings->token_file, error);
  return result == 0 ? replace(&settings->token, line, error) : result;
}

/* Options, then the environment where there are none. */
static int
apply(struct settings *settings, const struct setting_options *options, struct copse_error *error) {
  const struct {
    char **field;
    const char *option, *variable;
  } all[] = {{&settings->endpoint, options->endpoint, "COPSE_ENDPOINT"},
             {&settings->token_file, options->token_file, "COPSE_TOKEN_FILE"},
             {&settings->ca, options->ca, "COPSE_CA"}};
  const char *token = getenv("COPSE_TOKEN");
  int result = 0;

  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && result == 0; i++)
    result = replace(all[i].field, all[i].option != NULL ? all[i].option : getenv(all[i].variable), error);
  if (result == 0 && options->token_file == NULL && token != NULL && token[0] != '\0') {
    result = check_token(token, "COPSE_TOKEN", error);
    return result == 0 ? replace(&settings->token, token, error) : result;
  }
  return result == 0 && settings->token_file != NULL ? read_token(settings, error) : result;
}

int
settings_read(struct settings *settings, const struct setting_options *options, struct copse_error *error) {
  char *path = find_file(options);
  int result;

  *settings = (struct settings){.endpoint = NULL};
  result = settings_read_file(settings, path != NULL ? path : "defaults", path != NULL ? NULL : "", error);
  free(path);
  if (result == 0)
    result = apply(settings, options, error);
  return result == 0 ? check_endpoint(settings, "endpoint", error) : result;
}

void
settings_free(struct settings *settings) {
  free(settings->endpoint);
  free(settings->token_file);
  free(settings->token);
  free(settings->ca);
  *settings = (struct settings){.endpoint = NULL};
}
