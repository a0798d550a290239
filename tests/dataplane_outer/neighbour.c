/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver against a real kernel, in a network namespace of the test's own, with a stand-in for the table. The
 * other end of the veth pairs is in the namespace of a child process; both namespaces go with their processes. */
#include "neighbour/resolver.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the stand-in ---- */

#define ADDRESSES_MAX 8
static struct {
  uint8_t address[16];
  struct copse_adjacency adjacency;
} wanted[ADDRESSES_MAX];
static size_t wanted_count;
static uint64_t generation = 1;

void
copse_table_each_address(const struct copse_table *table, void (*visit)(void *context, const uint8_t address[16]),
                         void *context) {
  (void)table;
  for (size_t i = 0; i < wanted_count; i++)
    visit(context, wanted[i].address);
}

uint64_t
copse_table_address_generation(const struct copse_table *table) {
  (void)table;
  return generation;
}

void
copse_table_adjacency(struct copse_table *table, const uint8_t address[16], const struct copse_adjacency *adjacency) {
  (void)table;
  for (size_t i = 0; i < wanted_count; i++)
    if (memcmp(wanted[i].address, address, 16) == 0)
      wanted[i].adjacency = *adjacency;
}

static const struct copse_adjacency *
want(const char *address) {
  cr_assert_lt(wanted_count, ADDRESSES_MAX);
  cr_assert(copse_address_parse(address, wanted[wanted_count].address));
  generation++;
  return &wanted[wanted_count++].adjacency;
}

/* ---- two namespaces ---- */

#define MAC_A                                                                                                          \
  { 2, 0, 0, 0, 1, 2 }
#define MAC_B                                                                                                          \
  { 2, 0, 0, 0, 2, 2 }

static pid_t other;
static struct event_base *base;
static struct copse_resolver *resolver;
static struct copse_error error;

static void __attribute__((format(printf, 1, 2))) run(const char *format, ...) {
  char command[512];
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(command, sizeof(command), format, arguments);
  va_end(arguments);
  cr_assert_eq(system(command), 0, "%s", command);
}

#define THERE(format, ...) run("nsenter -t %d -n " format, (int)other, ##__VA_ARGS__)

static uint64_t
now_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
turn(void) {
  event_base_loop(base, EVLOOP_NONBLOCK);
  copse_resolver_tick(resolver, now_ns());
  usleep(2000);
}

#define EVENTUALLY(condition)                                                                                          \
  do {                                                                                                                 \
    uint64_t end = now_ns() + 5000000000;                                                                              \
    while (!(condition) && now_ns() < end)                                                                             \
      turn();                                                                                                          \
    cr_expect(condition);                                                                                              \
  } while (0)

static bool
leads_to(const struct copse_adjacency *adjacency, unsigned port, const uint8_t mac[6]) {
  return adjacency->resolved && adjacency->port == port && memcmp(adjacency->next_mac, mac, 6) == 0;
}

static void
start_other_namespace(void) {
  int ready[2];
  char byte;

  cr_assert_eq(pipe(ready), 0);
  other = fork();
  if (other == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "", 1) == 1)
      pause();
    _exit(1);
  }
  cr_assert_eq(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  close(ready[1]);
}

static void
pair(const char *name, int index) {
  run("ip link add %s address 02:00:00:00:0%d:01 type veth peer name %s address 02:00:00:00:0%d:02 netns %d", name,
      index, name, index, (int)other);
  run("sysctl -qw net.ipv4.neigh.%s.retrans_time_ms=100 net.ipv6.neigh.%s.retrans_time_ms=100 "
      "net.ipv6.conf.%s.accept_dad=0",
      name, name, name);
  THERE("sysctl -qw net.ipv6.conf.%s.accept_dad=0", name);
  run("ip link set %s up", name);
  THERE("ip link set %s up", name);
  run("ip addr add 198.18.%d.1/24 dev %s", index, name);
  run("ip addr add 2001:db8:%d::1/64 dev %s nodad", index, name);
  THERE("ip addr add 198.18.%d.2/24 dev %s", index, name);
  THERE("ip addr add 2001:db8:%d::2/64 dev %s nodad", index, name);
}

static void
set_up(void) {
  struct copse_resolver_config config = {
    .ports = {{.port = 4, .mac = {2, 0, 0, 0, 1, 1}, .interface = "cva"},
              {.port = 7, .vlan = 30, .mac = {2, 0, 0, 0, 2, 1}, .interface = "cvb"}},
    .port_count = 2,
  };

  if (geteuid() != 0)
    cr_skip_test("only root may make network namespaces");
  cr_assert_eq(unshare(CLONE_NEWNET), 0);
  start_other_namespace();
  pair("cva", 1);
  pair("cvb", 2);
  copse_log_set_level(COPSE_LOG_ERROR);
  config.base = base = event_base_new();
  resolver = copse_resolver_create(&config, &error);
  cr_assert_not_null(resolver, "%s", error.text);
}

static void
tear_down(void) {
  copse_resolver_destroy(resolver);
  event_base_free(base);
  kill(other, SIGKILL);
  waitpid(other, NULL, 0);
}

TestSuite(neighbour, .init = set_up, .fini = tear_down, .timeout = 30);

static const uint8_t mac_a[6] = MAC_A, mac_b[6] = MAC_B;

Test(neighbour, on_link_of_both_families) {
  const struct copse_adjacency *four = want("198.18.1.2"), *six = want("2001:db8:2::2");

  EVENTUALLY(leads_to(four, 4, mac_a));
  EVENTUALLY(leads_to(six, 7, mac_b));
  cr_expect_arr_eq(four->source_mac, ((uint8_t[6]){2, 0, 0, 0, 1, 1}), 6);
  cr_expect_eq(four->vlan, 0);
  cr_expect_eq(six->vlan, 30);
}

Test(neighbour, behind_a_gateway_of_either_family) {
  const struct copse_adjacency *plain = want("203.0.113.9"), *mixed = want("192.0.2.9");

  run("ip route add 203.0.113.0/24 via 198.18.1.2");
  run("ip route add 192.0.2.0/24 via inet6 2001:db8:2::2");
  EVENTUALLY(leads_to(plain, 4, mac_a));
  EVENTUALLY(leads_to(mixed, 7, mac_b));
}

Test(neighbour, a_route_that_moves_is_followed) {
  const struct copse_adjacency *far = want("203.0.113.9");

  run("ip route add 203.0.113.0/24 via 198.18.1.2");
  EVENTUALLY(leads_to(far, 4, mac_a));
  run("ip route replace 203.0.113.0/24 via 198.18.2.2");
  EVENTUALLY(leads_to(far, 7, mac_b));
  run("ip route del 203.0.113.0/24");
  EVENTUALLY(!far->resolved);
}

Test(neighbour, one_that_comes_late_is_found) {
  const struct copse_adjacency *late = want("198.18.1.9");

  for (int i = 0; i < 50; i++)
    turn();
  cr_expect_not(late->resolved);
  THERE("ip addr add 198.18.1.9/24 dev cva");
  EVENTUALLY(leads_to(late, 4, mac_a));
}

Test(neighbour, one_that_fails_suspends_and_comes_back) {
  const struct copse_adjacency *near = want("198.18.1.2"), *unharmed = want("198.18.2.2");

  EVENTUALLY(leads_to(near, 4, mac_a));
  EVENTUALLY(leads_to(unharmed, 7, mac_b));
  THERE("ip link set cva down");
  EVENTUALLY(!near->resolved);
  cr_expect(unharmed->resolved);
  THERE("ip link set cva up");
  EVENTUALLY(leads_to(near, 4, mac_a));
  run("ip link set cva down");
  EVENTUALLY(!near->resolved);
  run("ip link set cva up");
  EVENTUALLY(leads_to(near, 4, mac_a));
}

Test(neighbour, a_new_mac_is_taken) {
  const struct copse_adjacency *near = want("198.18.1.2");

  EVENTUALLY(leads_to(near, 4, mac_a));
  run("ip neigh replace 198.18.1.2 dev cva lladdr 02:00:00:00:00:77");
  EVENTUALLY(leads_to(near, 4, (uint8_t[6]){2, 0, 0, 0, 0, 0x77}));
}

Test(neighbour, macs_that_no_neighbour_has_are_refused) {
  const struct copse_adjacency *near = want("198.18.1.2");

  EVENTUALLY(leads_to(near, 4, mac_a));
  run("ip neigh replace 198.18.1.2 dev cva lladdr ff:ff:ff:ff:ff:ff nud permanent");
  EVENTUALLY(!near->resolved);
  run("ip neigh replace 198.18.1.2 dev cva lladdr 00:00:00:00:00:00 nud permanent");
  for (int i = 0; i < 50; i++)
    turn();
  cr_expect_not(near->resolved);
}

Test(neighbour, addresses_that_no_neighbour_has) {
  const struct copse_adjacency *own = want("198.18.1.1"), *multicast = want("239.0.0.1"),
                               *nowhere = want("203.0.113.1"), *near = want("198.18.1.2");

  EVENTUALLY(near->resolved);
  cr_expect_not(own->resolved);
  cr_expect_not(multicast->resolved);
  cr_expect_not(nowhere->resolved);
}

Test(neighbour, static_entries_win) {
  const struct copse_static_neighbour entries[] = {{.mac = {2, 0, 0, 0, 9, 1}, .port = 1}, {.mac = {2, 0, 0, 0, 9, 2}}};
  struct copse_static_neighbour filled[2];
  const struct copse_adjacency *near = want("198.18.1.2"), *far = want("203.0.113.9");

  memcpy(filled, entries, sizeof(filled));
  copse_address_parse("198.18.1.2", filled[0].address);
  copse_address_parse("198.18.2.2", filled[1].address);
  run("ip route add 203.0.113.0/24 via 198.18.2.2");
  EVENTUALLY(leads_to(near, 4, mac_a));
  cr_assert_eq(copse_resolver_set_static(resolver, filled, 2), 0);
  EVENTUALLY(leads_to(near, 7, filled[0].mac));
  EVENTUALLY(leads_to(far, 4, filled[1].mac)); /* the gateway's entry */
  cr_assert_eq(copse_resolver_set_static(resolver, NULL, 0), 0);
  EVENTUALLY(leads_to(near, 4, mac_a));
}

Test(neighbour, an_address_that_the_table_drops_is_forgotten) {
  const struct copse_adjacency *near = want("198.18.1.2");

  EVENTUALLY(near->resolved);
  wanted_count = 0;
  generation++;
  turn();
  wanted[0].adjacency.resolved = false;
  run("ip neigh replace 198.18.1.2 dev cva lladdr 02:00:00:00:00:77");
  for (int i = 0; i < 20; i++)
    turn();
  cr_expect_not(wanted[0].adjacency.resolved);
}

/* More changes than the socket holds: what was lost among them is found by reading everything again. */
Test(neighbour, a_flood_of_changes_loses_none) {
  const struct copse_adjacency *near = want("198.18.1.2");
  char path[] = "/tmp/copse-neigh-XXXXXX";
  FILE *batch;

  EVENTUALLY(leads_to(near, 4, mac_a));
  batch = fdopen(mkstemp(path), "w");
  for (int i = 0; i < 20000; i++)
    fprintf(batch, "neigh replace 10.%d.%d.1 dev cvb lladdr 02:00:00:00:00:01 nud permanent\n", i / 250, i % 250);
  fprintf(batch, "neigh replace 198.18.1.2 dev cva lladdr 02:00:00:00:00:77 nud permanent\n");
  fclose(batch);
  run("ip -batch %s", path);
  unlink(path);
  EVENTUALLY(leads_to(near, 4, (uint8_t[6]){2, 0, 0, 0, 0, 0x77}));
}
