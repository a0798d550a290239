/* SPDX-License-Identifier: Apache-2.0 */
/* What is said between peer and control plane, between peers, and on the command line. */
#include "messages.h"
#include "bits.h"
#include "options.h"
#include "range.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEY "000102030405060708090a0b0c0d0e0f"

Test(messages, join) {
  struct join join = {.address = "198.18.1.10",
                      .port = 40000,
                      .http_port = 40001,
                      .uplink_bps = 20000000,
                      .downlink_bps = 70000000,
                      .seed = true};
  char *text = message_join(&join);

  cr_expect(eq(str, text,
               "{\"address\":\"198.18.1.10\",\"port\":40000,\"http_port\":40001,\"uplink_bps\":20000000,"
               "\"downlink_bps\":70000000,\"seed\":true,\"direct\":false}"));
  free(text);
}

Test(messages, report) {
  uint8_t bitmap[2] = {0x81, 0x01};
  struct range items[] = {{0, 64}, {70, 1}};
  struct ranges sent = {.items = items, .count = 2};
  struct report report = {.have = 3,
                          .blocks = 9,
                          .bitmap = bitmap,
                          .want = true,
                          .busy = true,
                          .sent = &sent,
                          .cdn_bytes = 5,
                          .direct_bytes = 6,
                          .sent_bytes = 1ULL << 40,
                          .loss_ppm = 48000};
  char *text = message_report(&report);

  cr_expect(eq(str, text,
               "{\"have\":3,\"done\":false,\"sent\":[[0,64],[70,1]],\"want\":true,\"busy\":true,\"cdn_bytes\":5,"
               "\"direct_bytes\":6,\"sent_bytes\":1099511627776,\"loss_ppm\":48000,\"bitmap\":\"gQE=\"}"));
  free(text);
}

static int
joined(const char *text, struct joined *out) {
  struct copse_error error;
  json_t *json = json_loads(text, 0, NULL);
  int status = message_joined(json, out, &error);

  json_decref(json);
  return status;
}

Test(messages, joined) {
  struct joined out;
  char host[INET6_ADDRSTRLEN];

  cr_assert(eq(int,
               joined("{\"member\":\"00ff\",\"label\":1234,\"key\":\"" KEY "\",\"block_address\":\"198.18.1.1\","
                      "\"block_port\":7117,\"area_key\":\"" KEY "\",\"permission_s\":60,\"sync_ms\":250}",
                      &out),
               0));
  cr_expect(eq(str, out.member, "00ff"));
  cr_expect(eq(u32, out.label, 1234));
  cr_expect(eq(u8, out.key[15], 15));
  cr_expect(eq(u64, out.sync_ms, 250));
  struct sockaddr_in *four = (struct sockaddr_in *)&out.block;
  cr_expect(eq(str, (char *)inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host)), "198.18.1.1"));
  cr_expect(eq(u16, ntohs(four->sin_port), 7117));
  cr_assert(eq(int,
               joined("{\"member\":\"a\",\"label\":1,\"key\":\"" KEY "\",\"block_address\":\"2001:db8::1\","
                      "\"block_port\":7117,\"area_key\":\"" KEY "\",\"sync_ms\":250}",
                      &out),
               0));
  cr_expect(eq(int, out.block.ss_family, AF_INET6));
}

Test(messages, joined_refuses) {
  static const char *const texts[] = {
    "null",
    "{}",
    "{\"member\":\"../x\",\"label\":1,\"key\":\"" KEY "\",\"area_key\":\"" KEY
    "\",\"block_address\":\"1.2.3.4\",\"block_port\":1,\"sync_ms\":250}",
    "{\"member\":\"a\",\"label\":-1,\"key\":\"" KEY "\",\"area_key\":\"" KEY
    "\",\"block_address\":\"1.2.3.4\",\"block_port\":1,\"sync_ms\":250}",
    "{\"member\":\"a\",\"label\":1,\"key\":\"00\",\"area_key\":\"" KEY
    "\",\"block_address\":\"1.2.3.4\",\"block_port\":1,\"sync_ms\":250}",
    "{\"member\":\"a\",\"label\":1,\"key\":\"" KEY "\",\"area_key\":\"zz0102030405060708090a0b0c0d0e0f"
    "\",\"block_address\":\"1.2.3.4\",\"block_port\":1,\"sync_ms\":250}",
    "{\"member\":\"a\",\"label\":1,\"key\":\"" KEY "\",\"area_key\":\"" KEY
    "\",\"block_address\":\"pop.example\",\"block_port\":1,\"sync_ms\":250}",
    "{\"member\":\"a\",\"label\":1,\"key\":\"" KEY "\",\"area_key\":\"" KEY
    "\",\"block_address\":\"1.2.3.4\",\"block_port\":65536,\"sync_ms\":250}",
    "{\"member\":\"a\",\"label\":1,\"key\":\"" KEY "\",\"area_key\":\"" KEY
    "\",\"block_address\":\"1.2.3.4\",\"block_port\":1,\"sync_ms\":0}",
  };
  struct joined out;

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
    cr_expect(eq(int, joined(texts[i], &out), -EPROTO), "%s", texts[i]);
}

static int
synced(const char *text, struct synced *out) {
  struct copse_error error;
  json_t *json = json_loads(text, 0, NULL);
  int status = message_synced(json, out, &error);

  json_decref(json);
  return status;
}

Test(messages, synced_without_proof) {
  struct synced out;

  cr_assert(eq(int, synced("{\"state\":\"open\",\"mode\":\"cdn\",\"permitted\":false}", &out), 0));
  cr_expect(out.unproven);
  synced_free(&out);
  cr_assert(eq(int, synced("{\"state\":\"open\",\"mode\":\"cdn\",\"permitted\":true}", &out), 0));
  cr_expect(not(out.unproven));
  synced_free(&out);
}

Test(messages, synced) {
  struct synced out;

  cr_assert(eq(int,
               synced("{\"state\":\"open\",\"mode\":\"cdn\",\"blocks\":3052,\"waiting\":22,"
                      "\"send\":{\"rate_bps\":1.96e7,\"orders\":[[64,64],[128,1],[200,0]],\"parity\":2,\"again_ms\":"
                      "120},\"injected\":[[0,128]],"
                      "\"trees\":[],\"peers\":["
                      "{\"member\":\"a\",\"pop\":\"N1\",\"near\":true,\"url\":\"http://198.18.1.11:40001\",\"have\":52,"
                      "\"done\":false,\"busy\":true},{\"member\":\"b\",\"url\":\"ftp://x\",\"have\":1},"
                      "{\"member\":\"a b\",\"url\":\"http://x\",\"have\":1},7]}",
                      &out),
               0));
  cr_expect(not(out.finished));
  cr_expect(not(out.direct));
  cr_expect(not(out.unproven));
  cr_expect(eq(u64, out.rate_bps, 19600000));
  cr_expect(eq(u64, out.again_ms, 120));
  cr_expect(eq(u64, out.parity, 2));
  cr_assert(eq(sz, out.orders.count, 1));
  cr_expect(eq(u32, out.orders.items[0].count, 65));
  cr_expect(eq(u32, out.injected.items[0].count, 128));
  cr_assert(eq(sz, out.peer_count, 1), "peers that cannot be used are left out");
  cr_expect(out.peers[0].near);
  cr_expect(out.peers[0].busy);
  cr_expect(eq(u64, out.waiting, 22));
  synced_free(&out);
  cr_assert(eq(int, synced("{\"state\":\"finished\",\"mode\":\"direct\"}", &out), 0));
  cr_expect(out.finished);
  cr_expect(out.direct);
  cr_expect(eq(u64, out.rate_bps, 0));
  synced_free(&out);
}

Test(messages, synced_refuses) {
  static const char *const texts[] = {
    "[]",
    "{\"state\":\"open\"}",
    "{\"mode\":\"cdn\"}",
    "{\"state\":\"open\",\"mode\":\"cdn\",\"send\":{\"orders\":[]}}",
    "{\"state\":\"open\",\"mode\":\"cdn\",\"send\":{\"rate_bps\":-1,\"orders\":[]}}",
    "{\"state\":\"open\",\"mode\":\"cdn\",\"send\":{\"rate_bps\":1,\"again_ms\":-1}}",
    "{\"state\":\"open\",\"mode\":\"cdn\",\"send\":{\"rate_bps\":1,\"parity\":9}}",
    "{\"state\":\"open\",\"mode\":\"cdn\",\"waiting\":-1}",
    "{\"state\":\"open\",\"mode\":\"cdn\",\"injected\":[[1]]}",
    "{\"state\":\"open\",\"mode\":\"cdn\",\"injected\":[[-1,4]]}",
    "{\"state\":\"open\",\"mode\":\"cdn\",\"injected\":[[4294967295,4]]}",
    "{\"state\":\"open\",\"mode\":\"cdn\",\"injected\":[7]}",
  };
  struct synced out;

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
    cr_expect(eq(int, synced(texts[i], &out), -EPROTO), "%s", texts[i]);
}

Test(range, one_range_of_bytes) {
  static const struct {
    const char *header;
    int status;
    uint64_t first, length;
  } cases[] = {
    {NULL, 0, 0, 1000},
    {"bytes=0-0", 0, 0, 1},
    {"bytes=0-999", 0, 0, 1000},
    {"Bytes=10-19", 0, 10, 10},
    {"bytes=990-2000", 0, 990, 10},
    {"bytes=999-", 0, 999, 1},
    {"bytes=-1", 0, 999, 1},
    {"bytes=-5000", 0, 0, 1000},
    {"bytes=0-18446744073709551615", -EINVAL, 0, 0},
    {"bytes=0-9999999999999999999", 0, 0, 1000},
    {"bytes=1000-", -ERANGE, 0, 0},
    {"bytes=1000-1001", -ERANGE, 0, 0},
    {"bytes=-0", -ERANGE, 0, 0},
    {"bytes=5-4", -EINVAL, 0, 0},
    {"bytes=-", -EINVAL, 0, 0},
    {"bytes=", -EINVAL, 0, 0},
    {"bytes=0-1,3-4", -EINVAL, 0, 0},
    {"bytes= 0-1", -EINVAL, 0, 0},
    {"bytes=+0-1", -EINVAL, 0, 0},
    {"bytes=0x1-2", -EINVAL, 0, 0},
    {"bytes=1-2 ", -EINVAL, 0, 0},
    {"lines=1-2", -EINVAL, 0, 0},
    {"", -EINVAL, 0, 0},
    {"bytes=99999999999999999999-", -EINVAL, 0, 0},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    uint64_t first, length;
    int status = range_parse(cases[i].header, 1000, &first, &length);
    cr_expect(eq(int, status, cases[i].status), "%s", cases[i].header);
    if (status == 0) {
      cr_expect(eq(u64, first, cases[i].first), "%s", cases[i].header);
      cr_expect(eq(u64, length, cases[i].length), "%s", cases[i].header);
    }
  }
}

Test(options, rates) {
  static const struct {
    const char *text;
    uint64_t bps;
  } good[] = {{"20M", 20000000}, {"200k", 200000}, {"20e6", 20000000}, {"1.5G", 1500000000}, {"20000000.0", 20000000}};
  static const char *const bad[] = {"", "M", "fast", "20X", "20MM", "-5M", "0", "nan", "inf", "1e30", "20 M"};
  uint64_t bps;

  for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
    cr_expect(options_rate(good[i].text, &bps), "%s", good[i].text);
    cr_expect(eq(u64, bps, good[i].bps), "%s", good[i].text);
  }
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect(not(options_rate(bad[i], &bps)), "%s", bad[i]);
}

static int
parse(struct options *options, struct copse_error *error, char **words) {
  int count = 0;

  while (words[count])
    count++;
  return options_parse(count, words, options, error);
}

#define COMMON "--pop", "https://h:1//", "--token", "t", "--address", "::1", "--up", "1M", "--down", "2M"
#define WORDS(...) ((char *[]){"copse-peer", __VA_ARGS__, NULL})

Test(options, command_lines) {
  struct options options;
  struct copse_error error;

  cr_assert(eq(int, parse(&options, &error, WORDS("get", KEY, COMMON, "-o", "f", "--leave", "--direct", "--json")), 0));
  cr_expect(eq(str, options.pops.urls[0], "https://h:1"));
  cr_expect(eq(str, options.session, KEY));
  cr_expect(options.leave && options.direct && options.json);
  cr_expect(eq(u64, options.down_bps, 2000000));
  options_free(&options);
}

Test(options, share_with_session) {
  struct options options;
  struct copse_error error;

  cr_assert(eq(int, parse(&options, &error, WORDS("share", "a file", COMMON, "--session", KEY)), 0));
  cr_expect(eq(str, (char *)options.file, "a file"));
  cr_expect(eq(str, options.session, KEY));
  options_free(&options);
}

static void
refuse(char **words, const char *expected) {
  struct options options;
  struct copse_error error = {.text = ""};

  optind = 0;
  cr_expect(eq(int, parse(&options, &error, words), -EINVAL), "%s", expected);
  cr_expect(ne(ptr, strstr(error.text, expected), NULL), "`%s` should say `%s`", error.text, expected);
  options_free(&options);
}

Test(options, refusals) {
  refuse(WORDS("get", KEY, COMMON, "--pop", "http://h"), "https://");
  refuse(WORDS("get", KEY, COMMON, "--token", "a\nb"), "token");
  refuse(WORDS("get", "abc", COMMON), "not a session");
  refuse(WORDS("get", KEY, COMMON, "--port", "65536"), "not a port");
  refuse(WORDS("get", KEY, COMMON, "extra"), "needs one");
  refuse(WORDS("get", KEY), "--pop is missing");
  refuse(WORDS("share", "f", COMMON, "-o", "x"), "are for get");
  refuse(WORDS("get", KEY, COMMON, "--what"), "--help");
}
