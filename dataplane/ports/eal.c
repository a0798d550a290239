/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/eal.h"

#include <bpf/libbpf.h>
#include <dirent.h>
#include <limits.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* EAL's own tables, rings of ports, the table's sharing with workers. */
#define BASE_MB 24

static FILE *log_stream;

static uint64_t
read_number(const char *path) {
  char text[32] = "";
  FILE *file = fopen(path, "r");

  if (!file)
    return 0;
  if (!fgets(text, sizeof(text), file))
    text[0] = '\0';
  fclose(file);
  return strtoull(text, NULL, 10);
}

uint64_t
copse_eal_free_huge_mb(void) {
  static const char directory[] = "/sys/kernel/mm/hugepages", prefix[] = "hugepages-";
  uint64_t total_kb = 0;
  struct dirent *entry;
  DIR *stream = opendir(directory);

  while (stream && (entry = readdir(stream))) {
    char path[PATH_MAX];
    if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
      continue;
    snprintf(path, sizeof(path), "%s/%s/free_hugepages", directory, entry->d_name);
    total_kb += strtoull(entry->d_name + strlen(prefix), NULL, 10) * read_number(path);
  }
  if (stream)
    closedir(stream);
  return total_kb >> 10;
}

/* What DPDK says becomes lines of our log. */
static ssize_t
write_log(void *cookie, const char *text, size_t size) {
  (void)cookie;
  for (const char *line = text, *end; line < text + size; line = end + 1) {
    end = memchr(line, '\n', (size_t)(text + size - line));
    if (!end)
      end = text + size;
    if (end > line)
      copse_log(COPSE_LOG_WARNING, "DPDK: %.*s", (int)(end - line), line);
  }
  return (ssize_t)size;
}

static int
write_libbpf_log(enum libbpf_print_level level, const char *format, va_list arguments) {
  char line[512];

  if (level == LIBBPF_DEBUG)
    return 0;
  vsnprintf(line, sizeof(line), format, arguments);
  line[strcspn(line, "\n")] = '\0';
  copse_log(COPSE_LOG_WARNING, "%s", line);
  return 0;
}

/* Also of the library that DPDK loads XDP programs with. */
static void
divert_log(void) {
  libbpf_set_print(write_libbpf_log);
  log_stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_log});
  if (log_stream) {
    setlinebuf(log_stream);
    rte_openlog_stream(log_stream);
  }
}

/* Without hugepages no buffer may cross a page of 4 KiB: those of whole frames take one or more pages each. */
static uint64_t
need_mb(const struct copse_pools_config *pools, bool huge) {
  const uint64_t page = 4096, overhead = sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + RTE_CACHE_LINE_SIZE;
  struct copse_pools_need need = copse_pools_need(pools);
  uint64_t frame = pools->frame_bytes + overhead, bytes = need.bytes;

  if (!huge && frame > page / 2)
    bytes += need.receive * ((frame + page - 1) / page * page - frame);
  return BASE_MB + bytes * 9 / 8 / (1 << 20);
}

int
copse_eal_start(const struct copse_dataplane_config *config, const struct copse_pools_config *pools,
                struct copse_error *error) {
  struct copse_eal_arguments arguments;
  uint64_t free_mb = copse_eal_free_huge_mb(), need = config->memory_mb ? config->memory_mb : need_mb(pools, true);
  char *copies[sizeof(arguments.list) / sizeof(arguments.list[0])];
  int status;

  if (!config->memory_mb && !copse_eal_uses_huge(config, need, free_mb))
    need = need_mb(pools, false);
  status = copse_eal_arguments(&arguments, config, need, free_mb, error);
  if (!status) {
    divert_log();
    memcpy(copies, arguments.list, sizeof(copies)); /* rte_eal_init reorders its list */
    if (rte_eal_init(arguments.count, copies) < 0)
      status = copse_fail(error, -rte_errno,
                          "DPDK does not start (%s): %lu MiB of memory are needed, %lu MiB are free in hugepages and "
                          "%lu MiB outside; DPDK's lines above say more",
                          rte_strerror(rte_errno), need, free_mb,
                          (unsigned long)sysconf(_SC_AVPHYS_PAGES) * (unsigned long)sysconf(_SC_PAGESIZE) >> 20);
  }
  copse_eal_arguments_free(&arguments);
  return status;
}

void
copse_eal_stop(void) {
  rte_eal_cleanup();
  rte_openlog_stream(NULL);
  if (log_stream)
    fclose(log_stream);
  log_stream = NULL;
}
