/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/eal.h"

#include <dirent.h>
#include <limits.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* EAL's own tables, rings of ports, the table's sharing with workers. */
#define BASE_MB 24

static FILE *log_stream;

uint64_t
copse_eal_free_huge_mb(void) {
  const char *directory = "/sys/kernel/mm/hugepages";
  uint64_t total_kb = 0;
  struct dirent *entry;
  DIR *stream = opendir(directory);

  while (stream && (entry = readdir(stream))) {
    char path[PATH_MAX];
    unsigned long page_kb, pages;
    if (sscanf(entry->d_name, "hugepages-%lukB", &page_kb) != 1)
      continue;
    snprintf(path, sizeof(path), "%s/%s/free_hugepages", directory, entry->d_name);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%lu", &pages) == 1)
      total_kb += page_kb * pages;
    if (file)
      fclose(file);
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

static void
divert_log(void) {
  log_stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_log});
  if (log_stream) {
    setlinebuf(log_stream);
    rte_openlog_stream(log_stream);
  }
}

int
copse_eal_start(const struct copse_dataplane_config *config, const struct copse_pools_config *pools,
                struct copse_error *error) {
  struct copse_eal_arguments arguments;
  uint64_t need_mb = config->memory_mb, free_mb = copse_eal_free_huge_mb();
  char *copies[sizeof(arguments.list) / sizeof(arguments.list[0])];
  int status;

  if (!need_mb)
    need_mb = BASE_MB + copse_pools_need(pools).bytes * 9 / 8 / (1 << 20);
  status = copse_eal_arguments(&arguments, config, need_mb, free_mb, error);
  if (!status) {
    divert_log();
    memcpy(copies, arguments.list, sizeof(copies)); /* rte_eal_init reorders its list */
    if (rte_eal_init(arguments.count, copies) < 0)
      status = copse_fail(error, -rte_errno,
                          "DPDK does not start (%s): %lu MiB of memory are needed, %lu MiB are free in hugepages and "
                          "%lu MiB outside; DPDK's lines above say more",
                          rte_strerror(rte_errno), need_mb, free_mb,
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
