/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"
#include "secret.h"
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <ifaddrs.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY_S ((time_t)86400)
#define VALID_S (DAY_S * 20 * 365)
#define SERIAL_BYTES 16

void
copse_tls_free(struct copse_tls *tls) {
  free(tls->certificate);
  copse_secret_free(tls->key);
  memset(tls, 0, sizeof(*tls));
}

/* The first error of GnuTLS stays. */
static void
keep(int *code, int result) {
  *code = *code < 0 ? *code : result;
}

static int
name_ip(gnutls_x509_crt_t certificate, int family, const void *address) {
  return gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address, family == AF_INET ? 4 : 16,
                                              GNUTLS_FSAN_APPEND);
}

static int
name_host(gnutls_x509_crt_t certificate, const char *name) {
  return gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name),
                                              GNUTLS_FSAN_APPEND);
}

/* Every address of the machine's interfaces. */
static int
name_interfaces(gnutls_x509_crt_t certificate) {
  struct ifaddrs *list, *entry;
  int code = 0;

  if (getifaddrs(&list) != 0)
    return 0;
  for (entry = list; entry != NULL; entry = entry->ifa_next) {
    if (entry->ifa_addr != NULL && entry->ifa_addr->sa_family == AF_INET)
      keep(&code, name_ip(certificate, AF_INET, &((struct sockaddr_in *)entry->ifa_addr)->sin_addr));
    if (entry->ifa_addr != NULL && entry->ifa_addr->sa_family == AF_INET6)
      keep(&code, name_ip(certificate, AF_INET6, &((struct sockaddr_in6 *)entry->ifa_addr)->sin6_addr));
  }
  freeifaddrs(list);
  return code;
}

static int
name_address(gnutls_x509_crt_t certificate, const char *address) {
  struct in6_addr v6;
  struct in_addr v4;

  if (inet_pton(AF_INET, address, &v4) == 1)
    return v4.s_addr == INADDR_ANY ? name_interfaces(certificate) : name_ip(certificate, AF_INET, &v4);
  if (inet_pton(AF_INET6, address, &v6) == 1)
    return IN6_IS_ADDR_UNSPECIFIED(&v6) ? name_interfaces(certificate) : name_ip(certificate, AF_INET6, &v6);
  return 0;
}

static int
fill_certificate(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const char *address, const char *pop) {
  uint8_t serial[SERIAL_BYTES];
  time_t now = time(NULL);
  int code = 0;

  randombytes_buf(serial, sizeof(serial));
  serial[0] &= 0x7f; /* positive */
  keep(&code, gnutls_x509_crt_set_version(certificate, 3));
  keep(&code, gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial)));
  keep(&code, gnutls_x509_crt_set_activation_time(certificate, now - DAY_S));
  keep(&code, gnutls_x509_crt_set_expiration_time(certificate, now + VALID_S));
  keep(&code, gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, pop, (unsigned)strlen(pop)));
  keep(&code, gnutls_x509_crt_set_basic_constraints(certificate, 0, -1));
  keep(&code, gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE));
  keep(&code, gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0));
  keep(&code, name_host(certificate, "localhost"));
  keep(&code, name_host(certificate, pop));
  keep(&code, name_address(certificate, address));
  keep(&code, gnutls_x509_crt_set_key(certificate, key));
  keep(&code, gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0));
  return code;
}

/* A new key and its certificate as PEM. */
static int
generate(const char *address, const char *pop, gnutls_datum_t *certificate_pem, gnutls_datum_t *key_pem) {
  gnutls_x509_crt_t certificate = NULL;
  gnutls_x509_privkey_t key = NULL;
  int code = 0;

  keep(&code, gnutls_x509_crt_init(&certificate));
  keep(&code, gnutls_x509_privkey_init(&key));
  if (code == 0)
    code = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
  if (code == 0)
    code = fill_certificate(certificate, key, address, pop);
  if (code == 0)
    code = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, certificate_pem);
  if (code == 0)
    code = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, key_pem);
  gnutls_x509_crt_deinit(certificate);
  gnutls_x509_privkey_deinit(key);
  return code;
}

/* The key first: a certificate on disk always has its key. */
static int
make_files(const char *certificate, const char *key, const char *address, const char *pop, struct copse_error *error) {
  gnutls_datum_t certificate_pem = {.data = NULL}, key_pem = {.data = NULL};
  int code = generate(address, pop, &certificate_pem, &key_pem);
  int result = 0;

  if (code < 0)
    result = copse_fail(error, -EIO, "a certificate cannot be made: %s", gnutls_strerror(code));
  if (result == 0)
    result = copse_secret_write(key, (const char *)key_pem.data, error);
  if (result == 0)
    result = copse_secret_write(certificate, (const char *)certificate_pem.data, error);
  if (key_pem.data != NULL)
    gnutls_memset(key_pem.data, 0, key_pem.size);
  gnutls_free(key_pem.data);
  gnutls_free(certificate_pem.data);
  return result;
}

static int
read_pem(const char *path, char **text, struct copse_error *error) {
  gnutls_datum_t file;

  errno = 0;
  if (gnutls_load_file(path, &file) != 0) {
    int code = errno != 0 ? errno : EIO;
    return copse_fail(error, -code, "%s: %s", path, strerror(code));
  }
  *text = strndup((const char *)file.data, file.size);
  gnutls_memset(file.data, 0, file.size);
  gnutls_free(file.data);
  return *text != NULL ? 0 : copse_fail(error, -ENOMEM, "%s: no memory", path);
}

static int
check_pair(const struct copse_tls *tls, const char *certificate, const char *key, struct copse_error *error) {
  gnutls_datum_t certificate_pem = {(unsigned char *)tls->certificate, (unsigned)strlen(tls->certificate)};
  gnutls_datum_t key_pem = {(unsigned char *)tls->key, (unsigned)strlen(tls->key)};
  gnutls_certificate_credentials_t credentials = NULL;
  int code = gnutls_certificate_allocate_credentials(&credentials);

  if (code == 0)
    code = gnutls_certificate_set_x509_key_mem(credentials, &certificate_pem, &key_pem, GNUTLS_X509_FMT_PEM);
  if (credentials != NULL)
    gnutls_certificate_free_credentials(credentials);
  return code >= 0 ? 0 : copse_fail(error, -EINVAL, "%s and %s: %s", certificate, key, gnutls_strerror(code));
}

int
copse_tls_load(struct copse_tls *tls, const char *certificate, const char *key, const char *state_dir,
               const char *address, const char *pop, struct copse_error *error) {
  char own_certificate[PATH_MAX], own_key[PATH_MAX];
  int result = 0;

  memset(tls, 0, sizeof(*tls));
  if ((certificate == NULL) != (key == NULL))
    return copse_fail(error, -EINVAL, "certificate and key: set both or neither");
  if (certificate == NULL) {
    snprintf(own_certificate, sizeof(own_certificate), "%s/cert.pem", state_dir);
    snprintf(own_key, sizeof(own_key), "%s/key.pem", state_dir);
    certificate = own_certificate;
    key = own_key;
    if (access(certificate, F_OK) != 0 || access(key, F_OK) != 0)
      result = make_files(certificate, key, address, pop, error);
  }
  if (result == 0)
    result = read_pem(certificate, &tls->certificate, error);
  if (result == 0)
    result = read_pem(key, &tls->key, error);
  if (result == 0)
    result = check_pair(tls, certificate, key, error);
  if (result != 0)
    copse_tls_free(tls);
  return result;
}
