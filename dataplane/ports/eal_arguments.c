/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/eal.h"

#include <ctype.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LCORES_BYTES 4096

static int
add(struct copse_eal_arguments *arguments, struct copse_error *error, const char *format, ...) {
  va_list values;
  int bytes;

  if (arguments->count == (int)(sizeof(arguments->list) / sizeof(arguments->list[0])) - 1)
    return copse_fail(error, -E2BIG, "there are too many arguments for the EAL");
  va_start(values, format);
  bytes = vasprintf(&arguments->list[arguments->count], format, values);
  va_end(values);
  if (bytes < 0) {
    arguments->list[arguments->count] = NULL;
    return copse_fail(error, -ENOMEM, "not enough memory for the arguments of the EAL");
  }
  arguments->count++;
  return 0;
}

void
copse_eal_arguments_free(struct copse_eal_arguments *arguments) {
  for (int i = 0; i < arguments->count; i++)
    free(arguments->list[i]);
  arguments->count = 0;
}

/* "2,4-5" to CPU numbers. Returns how many, or -EINVAL. */
static int
parse_cpus(const char *text, unsigned *cpus, int room) {
  int count = 0;

  while (*text) {
    char *end;
    unsigned long first, last;
    if (!isdigit((unsigned char)*text))
      return -EINVAL;
    first = last = strtoul(text, &end, 10);
    if (*end == '-' && isdigit((unsigned char)end[1]))
      last = strtoul(end + 1, &end, 10);
    if (last < first || last >= CPU_SETSIZE || (*end && *end != ',') || (*end == ',' && !end[1]))
      return -EINVAL;
    for (unsigned long cpu = first; cpu <= last; cpu++) {
      if (count == room)
        return -EINVAL;
      cpus[count++] = (unsigned)cpu;
    }
    text = *end ? end + 1 : end;
  }
  return count;
}

/* The CPUs this process may run on, where none are configured. */
static int
any_cpu(unsigned *cpus, int room) {
  cpu_set_t set;
  int count = 0;

  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return -errno;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE && count < room; cpu++)
    if (CPU_ISSET(cpu, &set))
      cpus[count++] = cpu;
  return count;
}

static int
list_cpus(const char *key, const char *text, unsigned *cpus, int room, struct copse_error *error) {
  int count = text ? parse_cpus(text, cpus, room) : any_cpu(cpus, room);

  if (count <= 0)
    return copse_fail(error, -EINVAL, "'%s': '%s' is not a list of CPUs like \"2,4-5\"", key, text ? text : "");
  return count;
}

/* Appends ",lcore@(cpu,cpu)". */
static void
append_lcore(char *out, unsigned lcore, const unsigned *cpus, int count) {
  size_t used = strlen(out);

  used += (size_t)snprintf(out + used, LCORES_BYTES - used, "%s%u@(", used ? "," : "", lcore);
  for (int i = 0; i < count && used < LCORES_BYTES - 8; i++)
    used += (size_t)snprintf(out + used, LCORES_BYTES - used, "%s%u", i ? "," : "", cpus[i]);
  snprintf(out + used, LCORES_BYTES - used, ")");
}

static int
add_lcores(struct copse_eal_arguments *arguments, const struct copse_dataplane_config *config,
           struct copse_error *error) {
  unsigned cpus[CPU_SETSIZE] = {0};
  char lcores[LCORES_BYTES] = "";
  int count = list_cpus("main_cpus", config->main_cpus, cpus, CPU_SETSIZE, error), status;

  if (count < 0)
    return count;
  append_lcore(lcores, COPSE_MAIN_LCORE, cpus, count);
  count = list_cpus("worker_cpus", config->worker_cpus, cpus, CPU_SETSIZE, error);
  if (count < 0)
    return count;
  if (config->worker_cpus && (uint64_t)count != config->workers)
    return copse_fail(error, -EINVAL, "'worker_cpus' names %d CPUs and 'workers' is %lu", count, config->workers);
  for (unsigned worker = 0; worker < config->workers; worker++)
    append_lcore(lcores, COPSE_WORKER_LCORE(worker), config->worker_cpus ? &cpus[worker] : cpus,
                 config->worker_cpus ? 1
                 : count < 32        ? count
                                     : 32);
  status = add(arguments, error, "--lcores=%s", lcores);
  return status ? status : add(arguments, error, "--main-lcore=%u", COPSE_MAIN_LCORE);
}

bool
copse_eal_uses_huge(const struct copse_dataplane_config *config, uint64_t need_mb, uint64_t free_huge_mb) {
  if (strcmp(config->hugepages, "auto") == 0)
    return free_huge_mb >= need_mb;
  return strcmp(config->hugepages, "on") == 0;
}

/* With hugepages the memory is ours alone and leaves no file behind; without them the EAL cannot do both. */
static int
add_memory(struct copse_eal_arguments *arguments, const struct copse_dataplane_config *config, uint64_t need_mb,
           uint64_t free_huge_mb, struct copse_error *error) {
  int status;

  if (copse_eal_uses_huge(config, need_mb, free_huge_mb) && free_huge_mb < need_mb)
    return copse_fail(error, -ENOMEM,
                      "%lu MiB of hugepages are needed and %lu MiB are free: write at least %lu to "
                      "/proc/sys/vm/nr_hugepages, or set hugepages = \"off\"",
                      need_mb, free_huge_mb, (need_mb + 1) / 2);
  status = add(arguments, error, "-m%lu", need_mb);
  if (status)
    return status;
  if (copse_eal_uses_huge(config, need_mb, free_huge_mb)) {
    status = add(arguments, error, "--in-memory");
    /* virtio-user shares it with its other end, region by region, and may do so with few only */
    return status ? status : add(arguments, error, "--single-file-segments");
  }
  status = add(arguments, error, "--no-huge");
  return status ? status : add(arguments, error, "--no-shconf");
}

/* PCI devices are probed by the EAL, and only those named; all others by us, one by one. */
static int
add_devices(struct copse_eal_arguments *arguments, const struct copse_dataplane_config *config,
            struct copse_error *error) {
  bool pci = false;

  for (size_t i = 0; i < config->port_count; i++)
    if (copse_device_is_pci(config->ports[i].device)) {
      int status = add(arguments, error, "--allow=%s", config->ports[i].device);
      if (status)
        return status;
      pci = true;
    }
  if (pci)
    return 0;
  /* AF_XDP needs its buffers in one piece; only virtual addresses can promise that. */
  int status = add(arguments, error, "--no-pci");
  return status ? status : add(arguments, error, "--iova-mode=va");
}

int
copse_eal_arguments(struct copse_eal_arguments *arguments, const struct copse_dataplane_config *config,
                    uint64_t need_mb, uint64_t free_huge_mb, struct copse_error *error) {
  int status;

  *arguments = (struct copse_eal_arguments){.count = 0};
  status = add(arguments, error, "copse-dataplane");
  if (!status)
    status = add(arguments, error, "--no-telemetry");
  if (!status)
    status = add(arguments, error, "--log-level=%s", config->level == COPSE_LOG_DEBUG ? "notice" : "warning");
  if (!status && config->level != COPSE_LOG_DEBUG)
    status = add(arguments, error, "--log-level=lib.eal:error"); /* it warns of every size of hugepages there is not */
  if (!status)
    status = add_lcores(arguments, config, error);
  if (!status)
    status = add_memory(arguments, config, need_mb, free_huge_mb, error);
  if (!status)
    status = add_devices(arguments, config, error);
  for (size_t i = 0; i < config->eal_count && !status; i++)
    status = add(arguments, error, "%s", config->eal[i]);
  return status;
}
