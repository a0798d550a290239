/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>

#define PORT "ports = ( { device = \"net_ring0\"; } );\n"
#define LOCAL "address4 = \"198.18.0.1\";\n"

static struct copse_dataplane_config config;
static struct copse_error error;

static int
read_text(const char *text) {
  copse_dataplane_config_free(&config);
  error.text[0] = '\0';
  return copse_dataplane_config_read_text(&config, "t.cfg", text, &error);
}

static void
refused(const char *text, const char *sentence) {
  cr_expect_lt(read_text(text), 0, "accepted: %s", text);
  cr_expect_not_null(strstr(error.text, sentence), "'%s' does not say '%s'", error.text, sentence);
}

static void
release(void) {
  copse_dataplane_config_free(&config);
}

TestSuite(config, .fini = release);

Test(config, the_least_that_works) {
  cr_assert_eq(read_text(LOCAL PORT), 0, "%s", error.text);
  cr_expect_eq(config.block_port, COPSE_BLOCK_PORT);
  cr_expect_eq(config.local4.port, htons(COPSE_BLOCK_PORT));
  cr_expect_arr_eq(config.local4.address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\0\x01", 16);
  cr_expect_arr_eq(config.local6.address, (uint8_t[16]){0}, 16);
  cr_expect(config.adaptive);
  cr_expect_eq(config.level, COPSE_LOG_INFO);
  cr_expect_eq(config.limits.trees, 4096);
  cr_expect_eq(config.ports[0].rx_descriptors, 1024);
}

Test(config, everything) {
  cr_assert_eq(read_text("name = \"N1\"; log_level = \"debug\"; address6 = \"2001:db8::1\"; block_port = 9000;"
                         "workers = 2; worker_cpus = \"2,3\"; main_cpus = \"0-1\"; idle = \"poll\"; idle_max_us = 50;"
                         "permission_s = 30; hugepages = \"off\"; memory_mb = 128;"
                         "eal = ( \"--a\", \"--b\" ); limits = { trees = 7; };"
                         "neighbours = ( { address = \"2001:db8::2\"; mac = \"02:00:00:00:00:0a\"; port = 1; } );"
                         "ports = ( { device = \"0000:00:04.0\"; interface = \"tap0\"; vlan = 100; mtu = 9000; },"
                         "          { device = \"net_af_xdp0,iface=eth0,queue_count=2\"; } );"),
               0, "%s", error.text);
  cr_expect_str_eq(config.name, "N1");
  cr_expect_not(config.adaptive);
  cr_expect_eq(config.eal_count, 2);
  cr_expect_str_eq(config.eal[1], "--b");
  cr_expect_eq(config.limits.trees, 7);
  cr_expect_eq(config.limits.links, 256);
  cr_expect_eq(config.port_count, 2);
  cr_expect_eq(config.ports[0].vlan, 100);
  cr_expect_eq(config.neighbours[0].port, 1);
  cr_expect_eq(config.neighbours[0].mac[5], 10);
  cr_expect_eq(config.local6.port, htons(9000));
}

Test(config, what_is_wrong_is_said) {
  refused(PORT, "one of 'address4' and 'address6' is needed");
  refused(LOCAL, "'ports' is missing");
  refused(LOCAL "ports = ();", "'ports' is empty");
  refused("address4 = \"2001:db8::1\";" PORT, "is not an IPv4 address");
  refused("address6 = \"198.18.0.1\";" PORT, "is not an IPv6 address");
  refused(LOCAL "ports = ( { device = \"eth0\"; } );", "t.cfg:2: 'eth0' is neither");
  refused(LOCAL "ports = ( { device = \"net_af_xdp0\"; } );", "names no interface");
  refused(LOCAL "ports = ( { device = \"net_ring0\"; vlan = 4095; } );", "'vlan' must be at most 4094");
  refused(LOCAL "ports = ( { device = \"net_ring0\"; mtu = 100; } );", "at least 576");
  refused(LOCAL PORT "idle = \"lazy\";", "'idle' must be");
  refused(LOCAL PORT "hugepages = \"maybe\";", "'hugepages' must be");
  refused(LOCAL PORT "log_level = \"loud\";", "'log_level' must be");
  refused(LOCAL PORT "colour = 1;", "t.cfg:3: unknown key 'colour'");
  refused(LOCAL PORT "limits = { tree = 1; };", "unknown key 'tree'");
  refused(LOCAL PORT "limits = { labels = 16777217; };", "at most 16777216");
  refused(LOCAL PORT "eal = ( 1 );", "list of strings");
  refused(LOCAL PORT "neighbours = ( { address = \"198.18.0.2\"; mac = \"ff:ff:ff:ff:ff:ff\"; } );", "unicast MAC");
  refused(LOCAL PORT "neighbours = ( { address = \"198.18.0\"; mac = \"02:00:00:00:00:01\"; } );", "not an IP address");
  refused(LOCAL PORT "neighbours = ( { address = \"198.18.0.2\"; mac = \"02:00:00:00:00:01\"; port = 1; } );",
          "no port 1");
}

Test(config, socket_path_that_no_socket_can_have) {
  char text[512];

  snprintf(text, sizeof(text), LOCAL PORT "api_socket = \"/%0120d\";", 0);
  refused(text, "'api_socket'");
}

/* The file a person reads explains every key of the table, and is itself right. */
Test(config, shipped_file_has_every_key) {
  static char file[32768], listed[32768];
  FILE *input = fopen(getenv("COPSE_CONFIG_FILE"), "r"), *output = fmemopen(listed, sizeof(listed), "w");
  char *save, *line;

  cr_assert_not_null(input);
  cr_assert_gt(fread(file, 1, sizeof(file) - 1, input), 0);
  fclose(input);
  cr_assert_eq(read_text(file), 0, "%s", error.text);

  copse_dataplane_keys_print(output);
  fclose(output);
  for (line = strtok_r(listed, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
    char *colon = strchr(line, ':');
    if (strncmp(line, "in ", 3) == 0)
      continue;
    *colon = '\0';
    cr_expect_not_null(strstr(file, line), "config/dataplane.cfg does not mention '%s'", line);
  }
}

Test(names, device_strings) {
  const struct copse_port_config socket = {.device = (char[]){"net_vhost0,iface=/run/a.sock"}};
  char out[16];

  cr_expect(copse_device_argument("net_af_xdp0,start_queue=1,iface=eth0,queue_count=2", "iface", out, sizeof(out)));
  cr_expect_str_eq(out, "eth0");
  cr_expect(copse_device_argument("net_af_packet0,iface=eth1", "iface", out, sizeof(out)));
  cr_expect_str_eq(out, "eth1");
  cr_expect_not(copse_device_argument("net_af_xdp0,xiface=eth0", "iface", out, sizeof(out)));
  cr_expect_not(copse_device_argument("net_af_xdp0,iface=", "iface", out, sizeof(out)));
  cr_expect_not(copse_device_argument("net_af_xdp0,iface=0123456789abcdef", "iface", out, sizeof(out)));
  cr_expect_not(copse_port_interface(&socket, out, sizeof(out)), "a socket is no interface");
  cr_expect(copse_device_is_pci("0000:00:04.0"));
  cr_expect(copse_device_is_pci("00:04.0,arg=1"));
  cr_expect_not(copse_device_is_pci("net_ring0"));
  cr_expect_not(copse_device_is_pci("0000:00:04"));
}

Test(names, macs_and_addresses) {
  uint8_t bytes[16];

  cr_expect(copse_mac_parse("02:aB:00:00:00:01", bytes));
  cr_expect_eq(bytes[1], 0xab);
  for (const char *const *bad =
         (const char *const[]){"00:00:00:00:00:00", "01:00:5e:00:00:01", "02:00:00:00:00", "02:00:00:00:00:01:02",
                               "02-00-00-00-00-01", "2:0:0:0:0:1", "", NULL};
       *bad; bad++)
    cr_expect_not(copse_mac_parse(*bad, bytes), "%s", *bad);
  cr_expect_eq(copse_address_parse("198.18.0.1", bytes), AF_INET);
  cr_expect_eq(copse_address_parse("2001:db8::1", bytes), AF_INET6);
  cr_expect_eq(copse_address_parse("198.18.0.256", bytes), 0);
}
