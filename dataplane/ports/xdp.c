/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PROGRAM_NAME "copse_xdp"
#define PROGRAM_LINK "anon_inode:bpf-prog"
#define MAP_LINK "anon_inode:bpf-map"
#define MAPS_MAX 16

/* Abstract socket addresses belong to the network namespace, as interfaces do, and die with their process. */
static int
take_name(struct copse_xdp *xdp, struct copse_error *error) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "copse-dataplane-%u", xdp->index);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;

  if (fd < 0)
    return copse_fail(error, -errno, "cannot make a socket: %s", strerror(errno));
  xdp->claim = fd;
  if (bind(fd, (const struct sockaddr *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0)
    return 0;
  status = -errno;
  if (status == -EADDRINUSE)
    return copse_fail(error, -EBUSY, "another dataplane uses %s", xdp->interface);
  return copse_fail(error, status, "cannot claim %s: %s", xdp->interface, strerror(-status));
}

/* Removes what a killed dataplane left; another's program is no error of ours to repair. */
static int
remove_stale(const struct copse_xdp *xdp, struct copse_error *error) {
  struct bpf_prog_info info = {.type = 0};
  uint32_t id = 0, length = sizeof(info);
  int status = bpf_xdp_query_id((int)xdp->index, 0, &id), program;

  if (!status && !id)
    return 0;
  program = status ? status : bpf_prog_get_fd_by_id(id);
  if (program >= 0) {
    status = bpf_obj_get_info_by_fd(program, &info, &length);
    close(program);
  } else {
    status = program;
  }
  if (status)
    return copse_fail(error, status, "cannot look at the XDP program of %s: %s", xdp->interface, strerror(-status));
  if (strcmp(info.name, PROGRAM_NAME) != 0)
    return copse_fail(error, -EBUSY, "%s has another XDP program, %s: `ip link set dev %s xdp off` removes it",
                      xdp->interface, info.name, xdp->interface);
  status = bpf_xdp_detach((int)xdp->index, 0, NULL);
  if (status)
    return copse_fail(error, status, "cannot remove the XDP program left on %s: %s", xdp->interface, strerror(-status));
  return 0;
}

int
copse_xdp_claim(struct copse_xdp *xdp, struct copse_error *error) {
  int status = take_name(xdp, error);

  if (!status)
    status = remove_stale(xdp, error);
  if (status && xdp->claim >= 0) {
    close(xdp->claim);
    xdp->claim = -1;
  }
  return status;
}

/* The descriptor of this process for a BPF program or map, by its number: asking the kernel for a new one would take
 * CAP_SYS_ADMIN. -ENOENT if there is none. */
static int
own_descriptor(const char *kind, uint32_t id) {
  DIR *stream = opendir("/proc/self/fd");
  struct dirent *entry;
  int found = -ENOENT;

  while (stream && found < 0 && (entry = readdir(stream))) {
    struct bpf_prog_info info = {.type = 0}; /* of maps, too: both begin with type and id */
    uint32_t length = sizeof(info);
    int fd = (int)strtol(entry->d_name, NULL, 10);
    char path[PATH_MAX], target[64] = "";
    snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
    if (readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, kind) == 0 &&
        bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.id == id)
      found = fd;
  }
  if (stream)
    closedir(stream);
  return found;
}

/* A map of the program by its name: our descriptor, or -ENOENT. */
static int
find_map(int program, const char *name) {
  uint32_t ids[MAPS_MAX], length;
  struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)ids};

  length = sizeof(info);
  if (bpf_obj_get_info_by_fd(program, &info, &length) != 0)
    return -errno;
  for (uint32_t i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
    struct bpf_map_info map = {.type = 0};
    int fd = own_descriptor(MAP_LINK, ids[i]);
    length = sizeof(map);
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &map, &length) == 0 && strcmp(map.name, name) == 0)
      return fd;
  }
  return -ENOENT;
}

int
copse_xdp_configure(const struct copse_xdp *xdp, const struct copse_xdp_config *config, struct copse_error *error) {
  const uint32_t zero = 0;
  uint32_t id = 0;
  int status = bpf_xdp_query_id((int)xdp->index, 0, &id), program, map;

  program = status ? status : own_descriptor(PROGRAM_LINK, id);
  if (program < 0)
    return copse_fail(error, program, "%s has lost its XDP program", xdp->interface);
  map = find_map(program, "copse_config");
  if (map == -ENOENT)
    return 0;
  status = map < 0 ? map : bpf_map_update_elem(map, &zero, config, BPF_ANY);
  if (status)
    return copse_fail(error, status, "cannot configure the XDP program of %s: %s", xdp->interface, strerror(-status));
  return 0;
}

/* There was no program when the claim was taken, so one that is there now is ours. */
void
copse_xdp_release(struct copse_xdp *xdp) {
  uint32_t id = 0;

  if (xdp->claim < 0)
    return;
  if (bpf_xdp_query_id((int)xdp->index, 0, &id) == 0 && id)
    bpf_xdp_detach((int)xdp->index, 0, NULL);
  close(xdp->claim);
  xdp->claim = -1;
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
