/* SPDX-License-Identifier: Apache-2.0 */
/* The XDP program on single frames, through BPF_PROG_TEST_RUN: verdict and the counter of the branch taken.
 * No socket is in xsks_map here, so block packets end in `unclaimed` and pass. */
#include "xdp/copse_xdp.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <unistd.h>

#define FRAME_MAX 256
#define BLOCK_PORT 7117

struct frame {
  uint8_t bytes[FRAME_MAX];
  size_t size;
  size_t needed; /* bytes after which the program can know */
};

/* What is odd about a frame; all zero is an untagged UDP datagram to the block port. */
struct shape {
  bool ipv6;
  unsigned vlans;
  uint16_t tag_protocol; /* 0: 802.1Q */
  unsigned option_words;
  uint16_t fragment; /* of IPv4, host order */
  uint8_t protocol;  /* 0: UDP */
  uint16_t port;     /* 0: the block port */
  uint16_t address;  /* its last 16 bits, 0: 1 */
  uint8_t version;   /* 0: the right one */
  uint8_t header_words;
};

static struct bpf_object *object;
static int program;

static int
map_named(const char *name) {
  return bpf_object__find_map_fd_by_name(object, name);
}

static void
load(void) {
  const char *path = getenv("COPSE_XDP_OBJECT");

  if (geteuid() != 0)
    cr_skip_test("only root may load XDP programs");
  cr_assert_not_null(path);
  object = bpf_object__open_file(path, NULL);
  cr_assert_not_null(object);
  cr_assert_eq(bpf_object__load(object), 0);
  program = bpf_program__fd(bpf_object__find_program_by_name(object, "copse_xdp"));
  cr_assert_geq(program, 0);
}

static void
unload(void) {
  bpf_object__close(object);
}

static void
put(struct frame *frame, const void *bytes, size_t size) {
  cr_assert_leq(frame->size + size, FRAME_MAX);
  memcpy(frame->bytes + frame->size, bytes, size);
  frame->size += size;
}

static void
put16(struct frame *frame, uint16_t value) {
  put(frame, (uint16_t[]){htons(value)}, 2);
}

static void
put_ipv4(struct frame *frame, const struct shape *shape) {
  uint8_t words = shape->header_words ? shape->header_words : (uint8_t)(5 + shape->option_words);
  uint8_t header[60] = {(uint8_t)((shape->version ? shape->version : 4) << 4 | words),
                        [8] = 64,
                        [9] = shape->protocol ? shape->protocol : IPPROTO_UDP,
                        [12] = 198,
                        18,
                        0,
                        9,
                        198,
                        18,
                        0,
                        1};

  if (shape->address)
    memcpy(header + 18, (uint16_t[]){htons(shape->address)}, 2);
  header[6] = (uint8_t)(shape->fragment >> 8);
  header[7] = (uint8_t)shape->fragment;
  put(frame, header, 20 + 4 * shape->option_words);
}

static void
put_ipv6(struct frame *frame, const struct shape *shape) {
  uint8_t header[40] = {(uint8_t)((shape->version ? shape->version : 6) << 4),
                        [6] = shape->protocol ? shape->protocol : IPPROTO_UDP,
                        [7] = 64,
                        [8] = 0x20,
                        0x01,
                        0x0d,
                        0xb8,
                        [23] = 9,
                        [24] = 0x20,
                        0x01,
                        0x0d,
                        0xb8,
                        [39] = 1};

  if (shape->address)
    memcpy(header + 38, (uint16_t[]){htons(shape->address)}, 2);
  put(frame, header, sizeof(header));
}

static struct frame
frame_of(const struct shape *shape) {
  static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
  struct frame frame = {.size = 0};

  put(&frame, macs, sizeof(macs));
  for (unsigned i = 0; i < shape->vlans; i++) {
    put16(&frame, shape->tag_protocol ? shape->tag_protocol : 0x8100);
    put16(&frame, 42);
  }
  put16(&frame, shape->ipv6 ? 0x86dd : 0x0800);
  if (shape->ipv6)
    put_ipv6(&frame, shape);
  else
    put_ipv4(&frame, shape);
  put16(&frame, 40000);
  put16(&frame, shape->port ? shape->port : BLOCK_PORT);
  put16(&frame, 40);
  put16(&frame, 0);
  frame.needed = frame.size;
  put(&frame, (uint8_t[32]){1, 1}, 32);
  return frame;
}

static struct copse_xdp_counters
counters(void) {
  struct copse_xdp_counters each[512] = {0}, sum = {0};
  const uint32_t zero = 0;

  cr_assert_leq(libbpf_num_possible_cpus(), 512);
  cr_assert_eq(bpf_map_lookup_elem(map_named("copse_counters"), &zero, each), 0);
  for (int i = 0; i < libbpf_num_possible_cpus(); i++)
    for (size_t j = 0; j < sizeof(sum) / sizeof(__u64); j++)
      ((__u64 *)&sum)[j] += ((__u64 *)&each[i])[j];
  return sum;
}

/* Runs the program on the first `size` bytes and names the counter that it added one to. */
static const char *
branch(const struct frame *frame, size_t size) {
  static const char *const names[] = {"redirected_ipv4", "redirected_ipv6", "unclaimed_ipv4", "unclaimed_ipv6",
                                      "passed_ipv4",     "passed_ipv6",     "passed_other"};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes, .data_size_in = (uint32_t)size, .repeat = 1);
  struct copse_xdp_counters before = counters(), after;
  const char *name = NULL;

  cr_assert_eq(bpf_prog_test_run_opts(program, &options), 0);
  cr_assert_eq(options.retval, XDP_PASS);
  after = counters();
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    uint64_t grown = ((__u64 *)&after)[i] - ((__u64 *)&before)[i];
    cr_assert_leq(grown, 1);
    cr_assert(!grown || !name, "both %s and %s", name, names[i]);
    name = grown ? names[i] : name;
  }
  cr_assert_not_null(name);
  return name;
}

static void
expect(const struct shape *shape, const char *expected) {
  struct frame frame = frame_of(shape);

  cr_expect_str_eq(branch(&frame, frame.size), expected);
}

static void
configure(const struct copse_xdp_config *config) {
  cr_assert_eq(bpf_map_update_elem(map_named("copse_config"), (uint32_t[]){0}, config, BPF_ANY), 0);
}

TestSuite(xdp, .init = load, .fini = unload);

Test(xdp, block_packets_are_handed_over) {
  expect(&(struct shape){0}, "unclaimed_ipv4");
  expect(&(struct shape){.ipv6 = true}, "unclaimed_ipv6");
  expect(&(struct shape){.vlans = 1}, "unclaimed_ipv4");
  expect(&(struct shape){.ipv6 = true, .vlans = 1}, "unclaimed_ipv6");
  expect(&(struct shape){.vlans = 1, .tag_protocol = 0x88a8}, "unclaimed_ipv4");
  expect(&(struct shape){.option_words = 10}, "unclaimed_ipv4");
  expect(&(struct shape){.fragment = 0x4000}, "unclaimed_ipv4"); /* don't fragment */
}

Test(xdp, all_else_is_the_kernels) {
  expect(&(struct shape){.port = 53}, "passed_ipv4");
  expect(&(struct shape){.ipv6 = true, .port = 53}, "passed_ipv6");
  expect(&(struct shape){.protocol = IPPROTO_TCP}, "passed_ipv4");
  expect(&(struct shape){.ipv6 = true, .protocol = IPPROTO_TCP}, "passed_ipv6");
  expect(&(struct shape){.fragment = 0x2000}, "passed_ipv4"); /* the first fragment */
  expect(&(struct shape){.fragment = 0x0010}, "passed_ipv4"); /* the last one */
  expect(&(struct shape){.ipv6 = true, .protocol = IPPROTO_FRAGMENT}, "passed_ipv6");
  expect(&(struct shape){.ipv6 = true, .protocol = IPPROTO_DSTOPTS}, "passed_ipv6");
  expect(&(struct shape){.vlans = 2}, "passed_other");
  expect(&(struct shape){.vlans = 1, .tag_protocol = 0x0806}, "passed_other");
}

Test(xdp, headers_that_lie_are_the_kernels) {
  expect(&(struct shape){.version = 6}, "passed_ipv4");
  expect(&(struct shape){.ipv6 = true, .version = 4}, "passed_ipv6");
  expect(&(struct shape){.header_words = 4, .address = BLOCK_PORT}, "passed_ipv4"); /* at the UDP port's place, then */
  expect(&(struct shape){.header_words = 15}, "passed_ipv4"); /* the UDP header would lie beyond the frame */
}

Test(xdp, frames_cut_anywhere_are_the_kernels) {
  static const struct shape shapes[] = {
    {0}, {.ipv6 = true}, {.vlans = 1}, {.ipv6 = true, .vlans = 1}, {.option_words = 3}};

  for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
    struct frame frame = frame_of(&shapes[i]);
    for (size_t size = 14; size < frame.size; size++) { /* the kernel tests no frame below 14 bytes */
      const char *name = branch(&frame, size);
      cr_expect_eq(strncmp(name, "unclaimed", 9) == 0, size >= frame.needed, "shape %zu cut at %zu: %s", i, size, name);
    }
  }
}

Test(xdp, port_and_addresses_are_configured) {
  struct copse_xdp_config config = {.port = htons(9000)};

  configure(&config);
  expect(&(struct shape){.port = 9000}, "passed_ipv4"); /* no address of its family is ours */
  expect(&(struct shape){.ipv6 = true, .port = 9000}, "passed_ipv6");

  cr_assert_eq(inet_pton(AF_INET, "198.18.0.1", &config.address4), 1);
  configure(&config);
  expect(&(struct shape){.port = 9000}, "unclaimed_ipv4");
  expect(&(struct shape){0}, "passed_ipv4");
  expect(&(struct shape){.port = 9000, .address = 2}, "passed_ipv4");
  expect(&(struct shape){.ipv6 = true, .port = 9000}, "passed_ipv6");

  cr_assert_eq(inet_pton(AF_INET6, "2001:db8::1", config.address6), 1);
  configure(&config);
  expect(&(struct shape){.ipv6 = true, .port = 9000}, "unclaimed_ipv6");
  expect(&(struct shape){.ipv6 = true}, "passed_ipv6");
  expect(&(struct shape){.ipv6 = true, .port = 9000, .address = 2}, "passed_ipv6");
}
