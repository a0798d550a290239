/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of copse-controlplane. */
#include "config.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct copse_control_config config;
static struct copse_error error;

static void
teardown(void) {
  copse_control_config_free(&config);
}

TestSuite(control_config, .fini = teardown);

static int
parse(const char *text) {
  copse_control_config_free(&config);
  return copse_control_config_read_text(&config, "test.cfg", text, &error);
}

Test(control_config, the_shipped_file_is_right) {
  cr_assert_eq(copse_control_config_read(&config, COPSE_SOURCE "/config/controlplane.cfg", &error), 0, "%s",
               error.text);
  cr_expect_str_eq(config.pop, "N1");
  cr_expect_eq(config.topology.arc_count, 2);
  cr_expect_eq(config.topology.egress_bps[1], 100000000);
}

#define NEEDED "pop = \"N1\"; block_address = \"198.18.1.1\"; "

Test(control_config, etcd_is_described_whole) {
  cr_assert_eq(
    parse(NEEDED "store = \"etcd\"; etcd = { endpoints = (\"https://a:2379\", \"http://b\"); ca = \"c\"; };"), 0, "%s",
    error.text);
  cr_expect_eq(config.etcd.endpoint_count, 2);
  cr_expect_str_eq(config.etcd.endpoints[1], "http://b");
  cr_expect_str_eq(config.etcd.prefix, "/copse");
  cr_expect_str_eq(config.etcd.ca, "c");
  cr_expect_eq(config.etcd.timeout_ms, 2000);
}

Test(control_config, what_etcd_cannot_be_used_with_is_refused) {
  static const struct {
    const char *text, *sentence;
  } wrong[] = {{"", "endpoints"},
               {"etcd = { endpoints = (); };", "endpoints"},
               {"etcd = { endpoints = (\"a:2379\"); };", "URL"},
               {"etcd = { endpoints = (\"http://a/\"); };", "URL"},
               {"etcd = { endpoints = (7); };", "URL"},
               {"etcd = { endpoints = (\"http://a\"); key = \"k\"; };", "go together"},
               {"etcd = { endpoints = (\"http://a\"); user = \"u\"; };", "go together"},
               {"etcd = { endpoints = (\"http://a\"); timeout_ms = 1; };", "timeout_ms"},
               {"etcd = { endpoint = \"http://a\"; };", "endpoint"}};
  char text[512];

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    snprintf(text, sizeof(text), NEEDED "store = \"etcd\"; %s", wrong[i].text);
    cr_expect_eq(parse(text), -EINVAL, "%s", wrong[i].text);
    cr_expect(strstr(error.text, wrong[i].sentence) != NULL, "%s", error.text);
  }
}

/* What the file says in comments is what the program does without a word. */
Test(control_config, its_comments_are_the_defaults) {
  struct copse_control_config plain = {0};
  FILE *file = fopen(COPSE_SOURCE "/config/controlplane.cfg", "r");
  char line[512], text[16384] = "";
  bool in_http = false;

  cr_assert_not_null(file);
  while (fgets(line, sizeof(line), file) != NULL) {
    const char *at = line;

    if (strncmp(line, "# http = {", 10) == 0)
      in_http = true;
    if (strncmp(line, "# ", 2) == 0 && (in_http || strstr(line, " = ") != NULL) && strstr(line, "…") == NULL &&
        strstr(line, "api = ") == NULL && (in_http || strchr("abcdefghijklmnopqrstuvwxyz", line[2]) != NULL) &&
        (in_http || strstr(line, ";\n") != NULL))
      at = line + 2;
    if (strncmp(line, "# };", 4) == 0)
      in_http = false;
    cr_assert_lt(strlen(text) + strlen(at), sizeof(text));
    strcat(text, at);
  }
  fclose(file);
  cr_assert_eq(parse(text), 0, "%s", error.text);
  cr_assert_eq(copse_control_config_read(&plain, COPSE_SOURCE "/config/controlplane.cfg", &error), 0);
  cr_expect_str_eq(config.store, plain.store);
  cr_expect_str_eq(config.dataplane, plain.dataplane);
  cr_expect_str_eq(config.state_dir, plain.state_dir);
  cr_expect_str_eq(config.log_level, plain.log_level);
  cr_expect_str_eq(config.http.address, plain.http.address);
  cr_expect_eq(memcmp(&config.idle_s, &plain.idle_s,
                      offsetof(struct copse_control_config, http) - offsetof(struct copse_control_config, idle_s)),
               0);
  cr_expect_eq(config.block_port, plain.block_port);
  cr_expect_eq(config.http.port, plain.http.port);
  cr_expect_eq(memcmp(&config.http.connections, &plain.http.connections,
                      sizeof(config.http) - offsetof(struct copse_http_config, connections)),
               0);
  copse_control_config_free(&plain);
}

Test(control_config, mistakes_are_named) {
  static const struct {
    const char *text, *sentence;
  } cases[] = {
    {"block_address = \"1.2.3.4\";", "pop"},
    {"pop = \"N1\"; block_address = \"example\";", "'block_address' is not an IPv4 or IPv6 address"},
    {"pop = \"N/1\"; block_address = \"1.2.3.4\";", "'pop'"},
    {"pop = \"N1\"; block_address = \"1.2.3.4\";\ngrowth = 3;", "test.cfg:2:"},
    {"pop = \"N1\"; block_address = \"1.2.3.4\"; sync_ms = 1;", "test.cfg:1: 'sync_ms' must be at least 20"},
    {"pop = \"N1\"; block_address = \"1.2.3.4\"; log_level = \"loud\";", "'log_level'"},
    {"pop = \"N3\"; block_address = \"1.2.3.4\"; network = { pops = ( { name = \"N1\"; } ); links = (); };",
     "PoP 'N3' is not in the network"},
    {"pop = \"N1\"; block_address = \"1.2.3.4\";\nhttp = { ports = 1; };", "test.cfg:2:"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    cr_expect_eq(parse(cases[i].text), -EINVAL);
    cr_expect(strstr(error.text, cases[i].sentence) != NULL, "%s", error.text);
  }
}
