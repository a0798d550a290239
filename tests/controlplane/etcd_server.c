/* SPDX-License-Identifier: Apache-2.0 */
#include "etcd_server.h"
#include "folder.h"
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_TRIES 200 /* of 50 ms */

/* A port nobody listens on now, of those the kernel gives to nobody by itself. */
static unsigned
free_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

  for (int tries = 0; tries < 1000; tries++) {
    unsigned port = 10000 + randombytes_uniform(20000);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), result;

    address.sin_port = htons((uint16_t)port);
    result = bind(fd, (struct sockaddr *)&address, sizeof(address));
    close(fd);
    if (result == 0)
      return port;
  }
  cr_assert_fail("no free port");
  return 0;
}

static void
append(char **arguments, size_t *count, const char *name, const char *format, ...) {
  va_list values;
  char *value = NULL, *argument = NULL;

  va_start(values, format);
  cr_assert_geq(vasprintf(&value, format, values), 0);
  va_end(values);
  cr_assert_geq(asprintf(&argument, "--%s=%s", name, value), 0);
  free(value);
  arguments[(*count)++] = argument;
}

static void
make_arguments(const struct etcd_cluster *cluster, size_t number, char **arguments) {
  const struct etcd_server *server = &cluster->servers[number];
  const char *scheme = cluster->certificates != NULL ? "https" : "http";
  char members[256] = "";
  size_t count = 0;

  for (size_t i = 0; i < cluster->count; i++)
    snprintf(members + strlen(members), sizeof(members) - strlen(members), "%ss%zu=http://127.0.0.1:%u",
             i == 0 ? "" : ",", i, cluster->servers[i].peer_port);
  arguments[count++] = strdup("etcd");
  append(arguments, &count, "name", "s%zu", number);
  append(arguments, &count, "data-dir", "%s/s%zu", cluster->folder, number);
  append(arguments, &count, "listen-client-urls", "%s://127.0.0.1:%u", scheme, server->client_port);
  append(arguments, &count, "advertise-client-urls", "%s://127.0.0.1:%u", scheme, server->client_port);
  append(arguments, &count, "listen-peer-urls", "http://127.0.0.1:%u", server->peer_port);
  append(arguments, &count, "initial-advertise-peer-urls", "http://127.0.0.1:%u", server->peer_port);
  append(arguments, &count, "initial-cluster", "%s", members);
  append(arguments, &count, "heartbeat-interval", "20");
  append(arguments, &count, "election-timeout", "200");
  if (cluster->operations_max != 0)
    append(arguments, &count, "max-txn-ops", "%u", cluster->operations_max);
  if (cluster->quota_bytes != 0)
    append(arguments, &count, "quota-backend-bytes", "%llu", (unsigned long long)cluster->quota_bytes);
  if (cluster->certificates != NULL) {
    append(arguments, &count, "cert-file", "%s/server.pem", cluster->certificates);
    append(arguments, &count, "key-file", "%s/server.key", cluster->certificates);
    append(arguments, &count, "trusted-ca-file", "%s/ca.pem", cluster->certificates);
    append(arguments, &count, "client-cert-auth", "true");
  }
  arguments[count] = NULL;
}

void
etcd_server_start(struct etcd_cluster *cluster, size_t number) {
  char *arguments[24], log[128];
  pid_t parent = getpid(), pid;

  make_arguments(cluster, number, arguments);
  snprintf(log, sizeof(log), "%s/s%zu.log", cluster->folder, number);
  pid = fork();
  cr_assert_geq(pid, 0);
  if (pid == 0) {
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
      _exit(126);
    execvp("etcd", arguments);
    _exit(127);
  }
  cluster->servers[number].pid = pid;
  for (size_t i = 0; arguments[i] != NULL; i++)
    free(arguments[i]);
}

void
etcd_server_kill(struct etcd_cluster *cluster, size_t number) {
  struct etcd_server *server = &cluster->servers[number];

  if (server->pid == 0)
    return;
  kill(server->pid, SIGKILL);
  waitpid(server->pid, NULL, 0);
  server->pid = 0;
}

static void
wait_until_it_answers(struct etcd_cluster *cluster) {
  struct copse_error error = {""};
  struct copse_store *store = NULL;

  for (int i = 0; i < READY_TRIES && store == NULL; i++)
    if (copse_store_open_etcd(&cluster->config, &store, &error) < 0)
      usleep(50000);
  cr_assert_not_null(store, "etcd does not start: %s", error.text);
  copse_store_close(store);
}

void
etcd_cluster_start(struct etcd_cluster *cluster, size_t count, const char *certificates) {
  *cluster = (struct etcd_cluster){.count = count, .folder = "/tmp/copse-etcd-XXXXXX", .certificates = certificates};
  cr_assert_not_null(mkdtemp(cluster->folder));
  for (size_t i = 0; i < count; i++) {
    cluster->servers[i].client_port = free_port();
    cluster->servers[i].peer_port = free_port();
    cr_assert_geq(asprintf(&cluster->endpoints[i], "%s://127.0.0.1:%u", certificates != NULL ? "https" : "http",
                           cluster->servers[i].client_port),
                  0);
  }
  for (size_t i = 0; i < count; i++)
    etcd_server_start(cluster, i);
  cluster->config = (struct copse_etcd_config){
    .endpoints = cluster->endpoints, .endpoint_count = count, .prefix = "/copse", .timeout_ms = 5000};
  if (certificates == NULL)
    wait_until_it_answers(cluster);
}

void
etcd_cluster_stop(struct etcd_cluster *cluster) {
  for (size_t i = 0; i < cluster->count; i++) {
    etcd_server_kill(cluster, i);
    free(cluster->endpoints[i]);
  }
  if (cluster->count > 0)
    folder_remove(cluster->folder);
  *cluster = (struct etcd_cluster){0};
}

static size_t
keep(char *bytes, size_t size, size_t count, void *out) {
  return fwrite(bytes, size, count, out) * size;
}

/* Null when the server does not answer. */
static json_t *
ask(const char *endpoint, const char *path, const char *body) {
  char url[128], *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);
  CURL *easy = curl_easy_init();
  json_t *json = NULL;

  snprintf(url, sizeof(url), "%s%s", endpoint, path);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, out);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 2000L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  if (curl_easy_perform(easy) == CURLE_OK) {
    fflush(out);
    json = json_loads(text, 0, NULL);
  }
  curl_easy_cleanup(easy);
  fclose(out);
  free(text);
  return json;
}

json_t *
etcd_cluster_ask(struct etcd_cluster *cluster, const char *path, const char *body) {
  json_t *json = NULL;

  for (size_t i = 0; i < cluster->count && json == NULL; i++)
    if (cluster->servers[i].pid != 0)
      json = ask(cluster->endpoints[i], path, body);
  cr_assert_not_null(json);
  cr_assert_null(json_object_get(json, "error"), "%s: %s", path, json_string_value(json_object_get(json, "error")));
  return json;
}

static const char *
text_of(const json_t *json, const char *name) {
  const char *text = json_string_value(json_object_get(json, name));

  return text == NULL ? "" : text;
}

size_t
etcd_cluster_leader(struct etcd_cluster *cluster) {
  for (int tries = 0; tries < READY_TRIES; tries++) {
    for (size_t i = 0; i < cluster->count; i++) {
      json_t *status = cluster->servers[i].pid == 0 ? NULL : ask(cluster->endpoints[i], "/v3/maintenance/status", "{}");
      const json_t *header = json_object_get(status, "header");
      bool leads = status != NULL && text_of(status, "leader")[0] != '\0' &&
                   strcmp(text_of(status, "leader"), text_of(header, "member_id")) == 0;

      json_decref(status);
      if (leads)
        return i;
    }
    usleep(50000);
  }
  cr_assert_fail("no leader");
  return 0;
}

struct copse_store *
etcd_cluster_open(struct etcd_cluster *cluster) {
  struct copse_error error = {""};
  struct copse_store *store = NULL;

  cr_assert_eq(copse_store_open_etcd(&cluster->config, &store, &error), 0, "%s", error.text);
  return store;
}
