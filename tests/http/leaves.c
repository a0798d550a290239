/* SPDX-License-Identifier: Apache-2.0 */
/* Leaf hashes: refused unless they are the session's, served as they came. */
#include "harness.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#define MISSING "00000000000000000000000000000000"

static struct server server;
static char alice[65], bob[65];

static void
set_up_accounts(void) {
  server_prepare(&server);
  server_start(&server);
  make_account(&server, "alice", alice);
  make_account(&server, "bob", bob);
}

static void
tear_down(void) {
  server_end(&server);
}

static void
leaves_of(uint32_t blocks) {
  uint8_t *leaves = malloc((size_t)blocks * 32);
  const struct reply *reply;
  char session[33], path[96];

  make_session(&server, alice, blocks, leaves, session);
  snprintf(path, sizeof(path), "/v1/sessions/%s/leaves", session);
  expect_problem(ask(&server, "GET", path, bob, NULL), 404, NULL, "not there yet");
  leaves[31] ^= 1;
  expect_problem(ask_bytes(&server, "PUT", path, alice, leaves, (size_t)blocks * 32), 400, NULL, "root");
  leaves[31] ^= 1;
  expect_problem(ask_bytes(&server, "PUT", path, alice, leaves, (size_t)blocks * 32 - 1), 400, NULL, "must be");
  expect_problem(ask_bytes(&server, "PUT", path, bob, leaves, (size_t)blocks * 32), 403, NULL, "creator");
  expect_problem(ask(&server, "GET", path, bob, NULL), 404, NULL, "not there yet");
  for (int i = 0; i < 2; i++) {
    cr_expect(eq(long, ask_bytes(&server, "PUT", path, alice, leaves, (size_t)blocks * 32)->status, 204));
    reply = ask(&server, "GET", path, bob, NULL);
    cr_assert(eq(long, reply->status, 200));
    cr_expect(strstr(reply->headers, "application/octet-stream") != NULL);
    cr_assert(eq(sz, reply->length, (size_t)blocks * 32));
    cr_expect(memcmp(reply->body, leaves, reply->length) == 0);
  }
  free(leaves);
}

Test(leaves, one, .init = set_up_accounts, .fini = tear_down) {
  leaves_of(1);
  tear_down();
}

Test(leaves, fill_a_chunk, .init = set_up_accounts, .fini = tear_down) {
  leaves_of(2000);
  tear_down();
}

Test(leaves, of_several_transactions, .init = set_up_accounts, .fini = tear_down) {
  leaves_of(8 * 2000 + 1);
  tear_down();
}

Test(leaves, of_the_largest_content, .init = set_up_accounts, .fini = tear_down) {
  uint8_t *leaves = malloc(1 << 24);
  char session[33], path[96];

  make_session(&server, alice, 1 << 19, leaves, session);
  snprintf(path, sizeof(path), "/v1/sessions/%s/leaves", session);
  cr_assert(eq(long, ask_bytes(&server, "PUT", path, alice, leaves, 1 << 24)->status, 204));
  cr_assert(eq(sz, ask(&server, "GET", path, bob, NULL)->length, 1 << 24));
  cr_expect(memcmp(ask(&server, "GET", path, bob, NULL)->body, leaves, 1 << 24) == 0);
  free(leaves);
  tear_down();
}

Test(leaves, of_no_session, .init = set_up_accounts, .fini = tear_down) {
  char session[33], path[96];
  uint8_t leaves[32];

  expect_problem(ask(&server, "GET", "/v1/sessions/" MISSING "/leaves", alice, NULL), 404, NULL, "no such session");
  expect_problem(ask(&server, "PUT", "/v1/sessions/" MISSING "/leaves", alice, "x"), 404, NULL, "no such session");
  make_session(&server, alice, 1, leaves, session);
  snprintf(path, sizeof(path), "/v1/sessions/%s", session);
  cr_assert(eq(long, ask(&server, "DELETE", path, alice, NULL)->status, 204));
  strcat(path, "/leaves");
  expect_problem(ask_bytes(&server, "PUT", path, alice, leaves, 32), 409, NULL, "finished");
  tear_down();
}
