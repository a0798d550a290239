/* SPDX-License-Identifier: Apache-2.0 */
#include "etcd.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OFFSET(field) offsetof(struct copse_etcd_config, field)

static int
parse_endpoint(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct copse_etcd_config *config = target;
  const char *url = config_setting_get_string(element);
  char **endpoints, *copy;

  if (url == NULL || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
      url[strlen(url) - 1] == '/')
    return copse_setting_fail(reader, element, "an endpoint is a URL like \"https://198.18.0.9:2379\"");
  endpoints = reallocarray(config->endpoints, config->endpoint_count + 1, sizeof(*endpoints));
  if (endpoints != NULL)
    config->endpoints = endpoints;
  copy = strdup(url);
  if (endpoints == NULL || copy == NULL) {
    free(copy);
    return copse_setting_fail(reader, element, "no memory");
  }
  config->endpoints[config->endpoint_count++] = copy;
  return 0;
}

const struct copse_key copse_etcd_keys[] = {
  {.name = "endpoints", .kind = COPSE_KEY_LIST, .parse = parse_endpoint, .help = "URLs of the cluster's members"},
  {.name = "prefix",
   .kind = COPSE_KEY_STRING,
   .offset = OFFSET(prefix),
   .string = "/copse",
   .help = "before every key, for several CDNs on one etcd"},
  {.name = "ca",
   .kind = COPSE_KEY_STRING,
   .offset = OFFSET(ca),
   .help = "PEM file of who may certify etcd; default: the system's"},
  {.name = "certificate", .kind = COPSE_KEY_STRING, .offset = OFFSET(certificate), .help = "PEM file, shown to etcd"},
  {.name = "key", .kind = COPSE_KEY_STRING, .offset = OFFSET(key), .help = "PEM file, the certificate's key"},
  {.name = "user", .kind = COPSE_KEY_STRING, .offset = OFFSET(user), .help = "of etcd, where it asks for one"},
  {.name = "password_file", .kind = COPSE_KEY_STRING, .offset = OFFSET(password_file), .help = "the user's password"},
  {.name = "timeout_ms",
   .kind = COPSE_KEY_UINT,
   .offset = OFFSET(timeout_ms),
   .number = 2000,
   .minimum = 50,
   .maximum = 60000,
   .help = "ms, the longest wait for an answer"},
  {.name = NULL},
};

int
copse_etcd_config_check(const struct copse_etcd_config *config, const char *file, struct copse_error *error) {
  if (config->endpoint_count == 0)
    return copse_fail(error, -EINVAL, "%s: store = \"etcd\" needs etcd = { endpoints = ( \"https://…\" ); };", file);
  if ((config->certificate == NULL) != (config->key == NULL))
    return copse_fail(error, -EINVAL, "%s: etcd's 'certificate' and 'key' go together", file);
  if ((config->user == NULL) != (config->password_file == NULL))
    return copse_fail(error, -EINVAL, "%s: etcd's 'user' and 'password_file' go together", file);
  if (strlen(config->prefix) > COPSE_STORE_KEY_MAX)
    return copse_fail(error, -EINVAL, "%s: etcd's 'prefix' has at most %d bytes", file, COPSE_STORE_KEY_MAX);
  return 0;
}

void
copse_etcd_config_free(struct copse_etcd_config *config) {
  char *strings[] = {config->prefix, config->ca, config->certificate, config->key, config->user, config->password_file};

  for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
    free(strings[i]);
  for (size_t i = 0; i < config->endpoint_count; i++)
    free(config->endpoints[i]);
  free(config->endpoints);
  *config = (struct copse_etcd_config){0};
}
