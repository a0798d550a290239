/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PROGRAM_NAME "copse_xdp"
#define MAPS_MAX 16

/* Abstract socket addresses belong to the network namespace, as interfaces do, and die with their process. */
static int
take_name(const char *interface, unsigned index, struct copse_error *error) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "copse-dataplane-%u", index);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;

  if (fd < 0)
    return copse_fail(error, -errno, "cannot make a socket: %s", strerror(errno));
  if (bind(fd, (const struct sockaddr *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0)
    return fd;
  status = -errno;
  close(fd);
  if (status == -EADDRINUSE)
    return copse_fail(error, -EBUSY, "another dataplane uses %s", interface);
  return copse_fail(error, status, "cannot claim %s: %s", interface, strerror(-status));
}

/* The program attached to an interface: a descriptor and what is known of it, 0 for none, or a negative errno. */
static int
attached(unsigned index, struct bpf_prog_info *info) {
  uint32_t id = 0, length = sizeof(*info);
  int status = bpf_xdp_query_id((int)index, 0, &id), fd;

  if (status != 0 || id == 0)
    return status;
  fd = bpf_prog_get_fd_by_id(id);
  if (fd < 0)
    return -errno;
  if (bpf_obj_get_info_by_fd(fd, info, &length) != 0) {
    status = -errno;
    close(fd);
    return status;
  }
  return fd;
}

int
copse_xdp_claim(const char *interface, unsigned index, struct copse_error *error) {
  struct bpf_prog_info info = {.type = 0};
  int claim = take_name(interface, index, error), program, status = 0;

  if (claim < 0)
    return claim;
  program = attached(index, &info);
  if (program < 0)
    status = copse_fail(error, program, "cannot look at the XDP program of %s: %s", interface, strerror(-program));
  else if (program > 0 && strcmp(info.name, PROGRAM_NAME) != 0)
    status = copse_fail(error, -EBUSY, "%s has another XDP program, %s: `ip link set dev %s xdp off` removes it",
                        interface, info.name, interface);
  if (program > 0)
    close(program);
  if (status) {
    close(claim);
    return status;
  }
  copse_xdp_detach(index);
  return claim;
}

/* A map of the program by name: its descriptor, -ENOENT, or another negative errno. */
static int
find_map(int program, const char *name) {
  uint32_t ids[MAPS_MAX], length;
  struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)ids};

  length = sizeof(info);
  if (bpf_obj_get_info_by_fd(program, &info, &length) != 0)
    return -errno;
  for (uint32_t i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
    struct bpf_map_info map = {.type = 0};
    int fd = bpf_map_get_fd_by_id(ids[i]);
    length = sizeof(map);
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &map, &length) == 0 && strcmp(map.name, name) == 0)
      return fd;
    if (fd >= 0)
      close(fd);
  }
  return -ENOENT;
}

int
copse_xdp_configure(const char *interface, unsigned index, const struct copse_xdp_config *config,
                    struct copse_error *error) {
  struct bpf_prog_info info = {.type = 0};
  const uint32_t zero = 0;
  int program = attached(index, &info), map, status;

  if (program <= 0)
    return copse_fail(error, program ? program : -ENOENT, "%s has lost its XDP program", interface);
  map = find_map(program, "copse_config");
  close(program);
  if (map == -ENOENT)
    return 0;
  if (map < 0)
    return copse_fail(error, map, "cannot look at the maps of %s's XDP program: %s", interface, strerror(-map));
  status = bpf_map_update_elem(map, &zero, config, BPF_ANY) ? -errno : 0;
  close(map);
  if (status)
    return copse_fail(error, status, "cannot configure the XDP program of %s: %s", interface, strerror(-status));
  return 0;
}

void
copse_xdp_detach(unsigned index) {
  struct bpf_prog_info info = {.type = 0};
  int program = attached(index, &info);

  if (program <= 0)
    return;
  if (strcmp(info.name, PROGRAM_NAME) == 0)
    bpf_xdp_detach((int)index, 0, NULL);
  close(program);
}

int
copse_xdp_find(char *path, size_t size, struct copse_error *error) {
  char program[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

  if (length > 0) {
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    if ((size_t)snprintf(path, size, "%s/xdp/copse_xdp.bpf.o", program) < size && access(path, R_OK) == 0)
      return 0;
  }
  if ((size_t)snprintf(path, size, "%s/copse_xdp.bpf.o", COPSE_DATADIR) < size && access(path, R_OK) == 0)
    return 0;
  return copse_fail(error, -ENOENT, "there is no XDP program at %s: set 'xdp_object'", path);
}
