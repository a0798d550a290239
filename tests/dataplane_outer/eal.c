/* SPDX-License-Identifier: Apache-2.0 */
/* Which arguments DPDK is started with. */
#include "ports/eal.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define BASE "address4 = \"198.18.0.1\"; "
#define RING "ports = ( { device = \"net_ring0\"; } ); "

static struct copse_dataplane_config config;
static struct copse_eal_arguments arguments;
static struct copse_error error;

static int
build(const char *text, uint64_t need_mb, uint64_t free_mb) {
  copse_dataplane_config_free(&config);
  copse_eal_arguments_free(&arguments);
  cr_assert_eq(copse_dataplane_config_read_text(&config, "t.cfg", text, &error), 0, "%s", error.text);
  return copse_eal_arguments(&arguments, &config, need_mb, free_mb, &error);
}

static bool
has(const char *argument) {
  for (int i = 0; i < arguments.count; i++)
    if (strcmp(arguments.list[i], argument) == 0)
      return true;
  return false;
}

static void
release(void) {
  copse_dataplane_config_free(&config);
  copse_eal_arguments_free(&arguments);
}

TestSuite(eal, .fini = release);

Test(eal, hugepages_when_there_are_enough) {
  cr_assert_eq(build(BASE RING, 64, 64), 0);
  cr_expect(has("--in-memory") && has("--single-file-segments") && has("-m64") && !has("--no-huge"));
  cr_assert_eq(build(BASE RING, 64, 63), 0);
  cr_expect(!has("--in-memory") && has("-m64") && has("--no-huge") && has("--no-shconf"));
  cr_assert_eq(build(BASE RING "hugepages = \"off\";", 64, 1000), 0);
  cr_expect(has("--no-huge"));
}

Test(eal, hugepages_that_are_missing_are_counted) {
  cr_expect_eq(build(BASE RING "hugepages = \"on\";", 65, 20), -ENOMEM);
  cr_expect_not_null(strstr(error.text, "65 MiB of hugepages are needed and 20 MiB are free"));
  cr_expect_not_null(strstr(error.text, "at least 33"));
}

Test(eal, only_devices_that_were_asked_for) {
  cr_assert_eq(build(BASE RING, 64, 0), 0);
  cr_expect(has("--no-pci") && has("--iova-mode=va"));
  cr_assert_eq(build(BASE "ports = ( { device = \"0000:00:04.0\"; }, { device = \"net_ring0\"; } );", 64, 0), 0);
  cr_expect(has("--allow=0000:00:04.0") && !has("--no-pci") && !has("--iova-mode=va"));
}

Test(eal, threads_are_where_they_were_put) {
  cr_assert_eq(build(BASE RING "workers = 2; worker_cpus = \"1,0\"; main_cpus = \"0-1\";", 64, 0), 0);
  cr_expect(has("--lcores=0@(0,1),1@(1),2@(0)"));
  cr_expect_lt(build(BASE RING "workers = 2; worker_cpus = \"1\";", 64, 0), 0);
  cr_expect_not_null(strstr(error.text, "names 1 CPUs and 'workers' is 2"));
  static const char *const bad[] = {"x", "1,", "2-1", "1;2", "-1", "5000", "1-"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    char text[256];
    snprintf(text, sizeof(text), BASE RING "main_cpus = \"%s\";", bad[i]);
    cr_expect_eq(build(text, 64, 0), -EINVAL, "%s", bad[i]);
    cr_expect_not_null(strstr(error.text, "'main_cpus'"));
  }
}

Test(eal, own_arguments_come_last) {
  cr_assert_eq(build(BASE RING "eal = ( \"--log-level=debug\", \"--legacy-mem\" );", 64, 0), 0);
  cr_expect_str_eq(arguments.list[arguments.count - 1], "--legacy-mem");
  cr_expect_null(arguments.list[arguments.count]);
}
