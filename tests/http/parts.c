/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the server alone: the rate of an address, secrets and certificates on disk, remembered changes. */
#include "harness.h"
#include "http/auth.h"
#include "http/events.h"
#include "http/rate.h"
#include "http/secret.h"
#include "http/tls.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define S 1000000000ULL

static char directory[64];

static void
make_directory(void) {
  strcpy(directory, "/tmp/copse-parts-XXXXXX");
  cr_assert(mkdtemp(directory) != NULL);
}

static const char *
in_directory(const char *name) {
  static char paths[4][96];
  static int next;
  char *path = paths[next++ % 4];

  snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
  return path;
}

static void
remove_directory(void) {
  static const char *const names[] = {"token",    "token.new",    "cert.pem",    "key.pem",
                                      "store.db", "store.db-wal", "store.db-shm"};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    unlink(in_directory(names[i]));
  cr_expect(eq(int, rmdir(directory), 0));
}

static struct sockaddr_storage
address(const char *text) {
  struct sockaddr_storage name = {.ss_family = AF_INET};

  if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&name)->sin_addr) != 1) {
    name.ss_family = AF_INET6;
    cr_assert(eq(int, inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&name)->sin6_addr), 1));
  }
  return name;
}

static bool
take(struct copse_rate *rate, const char *from, uint64_t now_ns) {
  struct sockaddr_storage name = address(from);

  return copse_rate_take(rate, (struct sockaddr *)&name, now_ns);
}

Test(rate, burst_then_rate) {
  struct copse_rate *rate = copse_rate_create(10, 5);
  int taken = 0;

  for (int i = 0; i < 5; i++)
    cr_expect(take(rate, "192.0.2.1", S));
  cr_expect(not(take(rate, "192.0.2.1", S)));
  cr_expect(take(rate, "192.0.2.2", S));
  /* An hour of asking every millisecond gets ten a second, no more. */
  for (uint64_t ms = 1; ms <= 3600 * 1000; ms++)
    taken += take(rate, "192.0.2.1", S + ms * 1000000);
  cr_expect(taken >= 36000 - 1 && taken <= 36000, "%d", taken);
  /* Time that stands still or runs back gives nothing. */
  while (take(rate, "192.0.2.1", 3601 * S))
    ;
  cr_expect(not(take(rate, "192.0.2.1", 2 * S)));
  copse_rate_free(rate);
}

Test(rate, rests_do_not_pile_up) {
  struct copse_rate *rate = copse_rate_create(10, 5);
  int taken = 0;

  cr_expect(take(rate, "192.0.2.1", S));
  while (take(rate, "192.0.2.1", 1000000 * S))
    taken++;
  cr_expect(eq(int, taken, 5));
  copse_rate_free(rate);
}

Test(rate, one_subscriber_is_one_address) {
  struct copse_rate *rate = copse_rate_create(1, 1);

  cr_expect(take(rate, "2001:db8:1:2::1", S));
  cr_expect(not(take(rate, "2001:db8:1:2:ffff::9", S)));
  cr_expect(take(rate, "2001:db8:1:3::1", S));
  cr_expect(take(rate, "192.0.2.1", S));
  cr_expect(not(take(rate, "::ffff:192.0.2.1", S)));
  cr_expect(take(rate, "::ffff:192.0.2.2", S));
  copse_rate_free(rate);
}

/* More addresses than places: an active one among them is not forgotten. */
Test(rate, many_addresses) {
  struct copse_rate *rate = copse_rate_create(1, 3);
  int taken = 0;

  for (uint32_t i = 0; i < 100000; i++) {
    char other[32];
    snprintf(other, sizeof(other), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
    cr_expect(take(rate, other, S + i));
    taken += i % 100 == 0 && take(rate, "192.0.2.1", S + i);
  }
  cr_expect(eq(int, taken, 3));
  copse_rate_free(rate);
}

static void
write_file(const char *path, const char *text, mode_t mode) {
  FILE *file = fopen(path, "w");

  cr_assert(file != NULL);
  fputs(text, file);
  fclose(file);
  chmod(path, mode);
}

Test(secret, written_whole_and_private, .init = make_directory, .fini = remove_directory) {
  struct copse_error error;
  struct stat status;
  char *text;

  umask(0);
  cr_assert(eq(int, copse_secret_write(in_directory("token"), "first", &error), 0), "%s", error.text);
  cr_assert(eq(int, copse_secret_write(in_directory("token"), "second", &error), 0), "%s", error.text);
  cr_assert(eq(int, stat(in_directory("token"), &status), 0));
  cr_expect(eq(int, (int)(status.st_mode & 07777), 0600));
  cr_expect(eq(int, copse_secret_create(in_directory("token"), "third", &error), -EEXIST));
  cr_assert(eq(int, copse_secret_read(in_directory("token"), 6, &text, &error), 0), "%s", error.text);
  cr_expect(eq(str, text, "second"));
  copse_secret_free(text);
  cr_expect(eq(int, copse_secret_read(in_directory("token"), 5, &text, &error), -EFBIG));
  cr_expect(eq(int, copse_secret_read(in_directory("none"), 5, &text, &error), -ENOENT));
  cr_expect(eq(int, copse_secret_read(directory, 5, &text, &error), -EINVAL));
  chmod(in_directory("token"), 0640);
  cr_expect(eq(int, copse_secret_read(in_directory("token"), 99, &text, &error), -EACCES));
  cr_expect(strstr(error.text, "others may read it (mode 0640)") != NULL, "%s", error.text);
}

/* Control planes that start together and share the file agree on one token. */
Test(secret, operator_token_made_by_one_of_many, .init = make_directory, .fini = remove_directory) {
  enum { STARTERS = 8 };
  struct copse_error error;
  struct copse_auth auth, first;
  int ends[2];

  cr_assert(eq(int, pipe(ends), 0));
  for (int i = 0; i < STARTERS; i++)
    if (fork() == 0) {
      int result = copse_auth_open(&auth, in_directory("token"), &error);
      _exit(result != 0 || write(ends[1], &auth.operator_hash, sizeof(auth.operator_hash)) < 0);
    }
  for (int i = 0; i < STARTERS; i++) {
    int status;
    cr_assert(wait(&status) > 0 && status == 0);
  }
  cr_assert(eq(int, copse_auth_open(&first, in_directory("token"), &error), 0), "%s", error.text);
  for (int i = 0; i < STARTERS; i++) {
    cr_assert(
      eq(sz, (size_t)read(ends[0], &auth.operator_hash, sizeof(auth.operator_hash)), sizeof(auth.operator_hash)));
    cr_expect(memcmp(auth.operator_hash, first.operator_hash, sizeof(auth.operator_hash)) == 0);
  }
}

Test(secret, operator_token_given_by_hand, .init = make_directory, .fini = remove_directory) {
  struct copse_error error;
  struct copse_auth auth;

  write_file(in_directory("token"), "a-token-of-my-own-making\n", 0600);
  cr_expect(eq(int, copse_auth_open(&auth, in_directory("token"), &error), 0), "%s", error.text);
  write_file(in_directory("token"), "short\n", 0600);
  cr_expect(eq(int, copse_auth_open(&auth, in_directory("token"), &error), -EINVAL));
  write_file(in_directory("token"), "two words of sufficient length\n", 0600);
  cr_expect(eq(int, copse_auth_open(&auth, in_directory("token"), &error), -EINVAL));
  write_file(in_directory("token"), "", 0600);
  cr_expect(eq(int, copse_auth_open(&auth, in_directory("token"), &error), -EINVAL));
}

/* What a record of the store must say to make a caller of a token. */
Test(secret, token_records, .init = make_directory, .fini = remove_directory) {
  static const struct {
    const char *record;
    int result, role;
  } cases[] = {
    {"{\"role\":\"account\",\"account\":\"alice\"}", 0, COPSE_ROLE_ACCOUNT},
    {"{\"role\":\"operator\",\"account\":\"x\"}", 0, COPSE_ROLE_OPERATOR},
    {"{\"role\":\"account\",\"account\":\"\"}", -EACCES, COPSE_ROLE_NONE},
    {"{\"role\":\"account\"}", -EACCES, COPSE_ROLE_NONE},
    {"{\"role\":\"king\",\"account\":\"alice\"}", -EACCES, COPSE_ROLE_NONE},
    {"nonsense", -EACCES, COPSE_ROLE_NONE},
  };
  struct copse_store *store;
  struct copse_caller caller;
  struct copse_error error;
  struct copse_auth auth = {.known = NULL};
  char key[COPSE_TOKEN_KEY_BYTES];

  cr_assert(eq(int, copse_auth_open(&auth, in_directory("token"), &error), 0), "%s", error.text);
  cr_assert(eq(int, copse_store_open(in_directory("store.db"), &store, &error), 0), "%s", error.text);
  copse_auth_key("secret", key);
  cr_expect(eq(str, key, "/tokens/2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"));
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = cases[i].record};
    cr_assert(eq(int, copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL), 0));
    cr_expect(eq(int, copse_auth_caller(&auth, store, "Bearer secret", &caller), cases[i].result), "%zu", i);
    cr_expect(eq(int, (int)caller.role, cases[i].role), "%zu", i);
  }
  cr_expect(eq(int, copse_auth_caller(&auth, store, "Bearer ", &caller), -EACCES));
  cr_expect(eq(int, copse_auth_caller(&auth, store, "Bearer", &caller), -EACCES));
  cr_expect(eq(int, copse_auth_caller(&auth, store, NULL, &caller), -EACCES));
  copse_store_close(store);
}

/* A token that was used is not read again, and not taken any more once the store has said that it is gone. */
Test(secret, tokens_are_read_once, .init = make_directory, .fini = remove_directory) {
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .value = "{\"role\":\"account\",\"account\":\"alice\"}"};
  struct copse_store *store, *other;
  struct copse_caller caller;
  struct copse_error error;
  struct copse_auth auth = {.known = NULL};
  char key[COPSE_TOKEN_KEY_BYTES];
  uint64_t revision;

  copse_auth_key("secret", key);
  change.key = key;
  cr_assert(eq(int, copse_auth_open(&auth, in_directory("token"), &error), 0), "%s", error.text);
  cr_assert(eq(int, copse_store_open(in_directory("store.db"), &store, &error), 0), "%s", error.text);
  cr_assert(eq(int, copse_store_open(in_directory("store.db"), &other, &error), 0), "%s", error.text);
  cr_assert(eq(int, copse_store_commit(other, NULL, 0, &change, 1, &revision, NULL), 0));
  cr_assert(eq(int, copse_auth_watch(&auth, store, revision, &error), 0), "%s", error.text);
  cr_expect(eq(int, copse_auth_caller(&auth, store, "Bearer wrong", &caller), -EACCES));
  cr_expect(eq(int, copse_auth_caller(&auth, store, "Bearer secret", &caller), 0));
  change.kind = COPSE_CHANGE_DELETE;
  cr_assert(eq(int, copse_store_commit(other, NULL, 0, &change, 1, NULL, NULL), 0));
  cr_expect(eq(int, copse_auth_caller(&auth, store, "Bearer secret", &caller), 0), "the store was not asked");
  cr_expect(eq(str, caller.account, "alice"));
  cr_assert(copse_store_poll(store, 1) >= 0);
  cr_expect(eq(int, copse_auth_caller(&auth, store, "Bearer secret", &caller), -EACCES));
  copse_store_close(store);
  copse_store_close(other);
  copse_auth_close(&auth);
}

static bool
names(gnutls_x509_crt_t certificate, unsigned kind, const void *wanted, size_t length) {
  for (unsigned i = 0;; i++) {
    char name[256];
    size_t size = sizeof(name);
    int code = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &size, NULL);
    if (code < 0)
      return false;
    if ((unsigned)code == kind && size == length && memcmp(name, wanted, length) == 0)
      return true;
  }
}

Test(tls, made_once, .init = make_directory, .fini = remove_directory) {
  struct copse_error error;
  struct copse_tls first, second;
  gnutls_x509_crt_t certificate;
  gnutls_datum_t pem;
  unsigned bits;

  cr_assert(eq(int, copse_tls_load(&first, NULL, NULL, directory, "192.0.2.7", "N3", &error), 0), "%s", error.text);
  pem = (gnutls_datum_t){(unsigned char *)first.certificate, (unsigned)strlen(first.certificate)};
  gnutls_x509_crt_init(&certificate);
  cr_assert(eq(int, gnutls_x509_crt_import(certificate, &pem, GNUTLS_X509_FMT_PEM), 0));
  cr_expect(eq(int, gnutls_x509_crt_get_pk_algorithm(certificate, &bits), GNUTLS_PK_ECDSA));
  cr_expect(eq(uint, bits, 256));
  cr_expect(names(certificate, GNUTLS_SAN_DNSNAME, "N3", 2));
  cr_expect(names(certificate, GNUTLS_SAN_DNSNAME, "localhost", 9));
  cr_expect(names(certificate, GNUTLS_SAN_IPADDRESS, "\xc0\x00\x02\x07", 4));
  gnutls_x509_crt_deinit(certificate);
  cr_assert(eq(int, copse_tls_load(&second, NULL, NULL, directory, "192.0.2.8", "N4", &error), 0), "%s", error.text);
  cr_expect(eq(str, first.certificate, second.certificate));
  cr_expect(eq(str, first.key, second.key));
  copse_tls_free(&second);
  /* A certificate whose key is lost is made anew. */
  unlink(in_directory("key.pem"));
  cr_assert(eq(int, copse_tls_load(&second, NULL, NULL, directory, "192.0.2.7", "N3", &error), 0), "%s", error.text);
  cr_expect(ne(str, first.certificate, second.certificate));
  copse_tls_free(&first);
  copse_tls_free(&second);
}

Test(tls, what_does_not_fit, .init = make_directory, .fini = remove_directory) {
  struct copse_error error;
  struct copse_tls tls, other;
  const char *certificate = in_directory("cert.pem"), *key = in_directory("key.pem");

  cr_assert(eq(int, copse_tls_load(&other, NULL, NULL, directory, "192.0.2.7", "N3", &error), 0), "%s", error.text);
  unlink(key);
  cr_assert(eq(int, copse_tls_load(&tls, NULL, NULL, directory, "192.0.2.7", "N3", &error), 0), "%s", error.text);
  copse_tls_free(&tls);
  write_file(key, other.key, 0600); /* of another certificate */
  copse_tls_free(&other);
  cr_expect(eq(int, copse_tls_load(&tls, certificate, key, NULL, "192.0.2.7", "N3", &error), -EINVAL));
  cr_expect(strstr(error.text, "key.pem") != NULL, "%s", error.text);
  cr_expect(eq(int, copse_tls_load(&tls, certificate, NULL, NULL, "192.0.2.7", "N3", &error), -EINVAL));
  cr_expect(eq(int, copse_tls_load(&tls, certificate, in_directory("none"), NULL, "192.0.2.7", "N3", &error), -ENOENT));
  write_file(key, "nonsense", 0600);
  cr_expect(eq(int, copse_tls_load(&tls, certificate, key, NULL, "192.0.2.7", "N3", &error), -EINVAL));
}

static void
put_number(struct copse_store *store, int number) {
  char value[16];
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = "/x", .value = value};

  snprintf(value, sizeof(value), "%d", number);
  cr_assert(eq(int, copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL), 0));
}

static void
count_change(void *context) {
  ++*(int *)context;
}

/* The ring forgets the oldest changes and knows that it did. */
Test(events, more_than_is_kept, .init = make_directory, .fini = remove_directory) {
  struct copse_events *events;
  struct copse_store *store;
  struct copse_error error;
  uint64_t first;
  int changes = 0;
  bool stale;
  json_t *list;

  cr_assert(eq(int, copse_store_open(in_directory("store.db"), &store, &error), 0), "%s", error.text);
  put_number(store, -1);
  cr_assert(eq(int, copse_events_open(store, count_change, &changes, &events, &error), 0), "%s", error.text);
  first = copse_events_revision(events);
  for (int i = 0; i < 5000; i++)
    put_number(store, i);
  cr_assert(eq(int, copse_store_poll(store, 1), 5000));
  cr_expect(eq(int, changes, 5000));
  cr_expect(eq(u64, copse_events_revision(events), first + 5000));
  cr_expect(copse_events_after(events, first, &stale) == NULL && stale);
  cr_expect(copse_events_after(events, first + 5000 - 4097, &stale) == NULL && stale);
  list = copse_events_after(events, first + 5000 - 4096, &stale);
  cr_expect(eq(sz, json_array_size(list), 4096));
  json_decref(list);
  list = copse_events_after(events, first + 5000, &stale);
  cr_expect(eq(sz, json_array_size(list), 0));
  json_decref(list);
  copse_store_close(store);
  copse_events_close(events);
}

/* The store itself forgets: changes it skipped are not passed over in silence. */
Test(events, more_than_the_store_keeps, .init = make_directory, .fini = remove_directory) {
  struct copse_events *events;
  struct copse_store *store;
  struct copse_error error;
  uint64_t first;
  bool stale;
  json_t *list;

  cr_assert(eq(int, copse_store_open(in_directory("store.db"), &store, &error), 0), "%s", error.text);
  cr_assert(eq(int, copse_events_open(store, NULL, NULL, &events, &error), 0), "%s", error.text);
  first = copse_events_revision(events);
  for (int i = 0; i < COPSE_STORE_HISTORY + 1000; i++)
    put_number(store, i);
  cr_assert(eq(int, copse_store_poll(store, 1), 0));
  put_number(store, -1);
  cr_assert(eq(int, copse_store_poll(store, 1), 1));
  cr_expect(copse_events_after(events, first, &stale) == NULL && stale);
  list = copse_events_after(events, copse_events_revision(events) - 1, &stale);
  cr_expect(eq(sz, json_array_size(list), 1));
  json_decref(list);
  copse_store_close(store);
  copse_events_close(events);
}
