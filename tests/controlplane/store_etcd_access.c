/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the store lets in, and whom we take for the store. */
#include "folder.h"
#include "store_fixture.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct etcd_cluster *const etcd = &fixture_etcd;

static char certificates[] = "/tmp/copse-tls-XXXXXX";

static void
stop(void) {
  fixture_stop();
  if (strstr(certificates, "XXXXXX") == NULL)
    folder_remove(certificates);
}

TestSuite(store_etcd_access, .fini = stop, .timeout = 90);

/* openssl, quietly. */
static void
openssl(const char *format, ...) {
  char *arguments = NULL, *command = NULL;
  va_list values;

  va_start(values, format);
  cr_assert_geq(vasprintf(&arguments, format, values), 0);
  va_end(values);
  cr_assert_geq(asprintf(&command, "cd %s && openssl %s 2>openssl.log", certificates, arguments), 0);
  cr_assert_eq(system(command), 0, "%s", command);
  free(arguments);
  free(command);
}

static void
certify(const char *name, const char *extension) {
  openssl("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s -keyout %s.key -out %s.csr", name,
          name, name);
  openssl("x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out %s.pem -extfile %s", name, name,
          extension);
}

static void
make_certificates(void) {
  char path[64];
  FILE *file;

  cr_assert_not_null(mkdtemp(certificates));
  snprintf(path, sizeof(path), "%s/server.ext", certificates);
  file = fopen(path, "w");
  fputs("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n", file);
  fclose(file);
  openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -keyout ca.key -out "
          "ca.pem");
  certify("server", "server.ext");
  certify("client", "server.ext");
  openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other -keyout other.key -out "
          "other.pem");
}

static char *
certificate(const char *name) {
  char *path = NULL;

  cr_assert_geq(asprintf(&path, "%s/%s", certificates, name), 0);
  return path;
}

Test(store_etcd_access, tls_with_certificates_of_both) {
  struct copse_error error = {""};
  struct copse_store *store = NULL;
  struct seen seen = {0};

  make_certificates();
  etcd_cluster_start(etcd, 1, certificates);
  etcd->config.ca = certificate("ca.pem");
  etcd->config.certificate = certificate("client.pem");
  etcd->config.key = certificate("client.key");
  for (int i = 0; i < 100 && copse_store_open_etcd(&etcd->config, &store, &error) < 0; i++)
    usleep(50000);
  cr_assert_not_null(store, "%s", error.text);
  cr_assert_eq(copse_store_watch(store, "/", 0, see, &seen), 0);
  cr_expect_eq(put(store, "/a", "1", 0), 0);
  see_all(store, &seen, 1);
  copse_store_close(store);

  free(etcd->config.ca);
  etcd->config.ca = certificate("other.pem");
  cr_expect_lt(copse_store_open_etcd(&etcd->config, &store, &error), 0, "a server that somebody else certified");
  cr_expect(strstr(error.text, "certificate") != NULL, "%s", error.text);
  free(etcd->config.ca);
  etcd->config.ca = certificate("ca.pem");
  free(etcd->config.certificate);
  free(etcd->config.key);
  etcd->config.certificate = etcd->config.key = NULL;
  cr_expect_lt(copse_store_open_etcd(&etcd->config, &store, &error), 0, "etcd wants to know who we are");
  cr_expect_neq(error.text[0], '\0');
  free(etcd->config.ca);
}

Test(store_etcd_access, user_and_password) {
  struct copse_error error = {""};
  struct copse_store *store;
  struct seen seen = {0};
  char path[80];
  FILE *file;

  etcd_cluster_start(etcd, 1, NULL);
  json_decref(etcd_cluster_ask(etcd, "/v3/auth/user/add", "{\"name\":\"root\",\"password\":\"secret\"}"));
  json_decref(etcd_cluster_ask(etcd, "/v3/auth/role/add", "{\"name\":\"root\"}"));
  json_decref(etcd_cluster_ask(etcd, "/v3/auth/user/grant", "{\"user\":\"root\",\"role\":\"root\"}"));
  json_decref(etcd_cluster_ask(etcd, "/v3/auth/enable", "{}"));
  snprintf(path, sizeof(path), "%s/password", etcd->folder);
  file = fopen(path, "w");
  fputs("secret\n", file);
  fclose(file);
  cr_expect_eq(copse_store_open_etcd(&etcd->config, &store, &error), -EACCES, "%s", error.text);
  etcd->config.user = (char *)"root";
  etcd->config.password_file = path;
  store = etcd_cluster_open(etcd);
  cr_assert_eq(copse_store_watch(store, "/", 0, see, &seen), 0);
  cr_expect_eq(put(store, "/a", "1", 0), 0);
  see_all(store, &seen, 1);
  etcd_server_kill(etcd, 0); /* and with it, all it knew of who is who */
  poll_until(store, true);
  etcd_server_start(etcd, 0);
  poll_until(store, false);
  put_at_last(store, "/a", "2");
  see_all(store, &seen, 2);
  copse_store_close(store);
  file = fopen(path, "w");
  fputs("guessed\n", file);
  fclose(file);
  cr_expect_eq(copse_store_open_etcd(&etcd->config, &store, &error), -EACCES, "%s", error.text);
}
