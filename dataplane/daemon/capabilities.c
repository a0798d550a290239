/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* XDP programs and maps, AF_XDP sockets, routes and neighbours; then locked memory, where there is a limit to it. */
static const int needed[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_PERFMON, CAP_IPC_LOCK};
#define XDP_NEEDS 3 /* the first of them */

static bool
has(const struct __user_cap_data_struct *capabilities, int capability) {
  return capabilities[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

int
copse_capabilities_drop(bool pci, bool xdp, struct copse_error *error) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3], keep[_LINUX_CAPABILITY_U32S_3];

  memset(keep, 0, sizeof(keep));
  if (syscall(SYS_capget, &header, have) != 0)
    return copse_fail(error, -errno, "cannot read our capabilities: %s", strerror(errno));
  for (int i = 0; i < XDP_NEEDS; i++)
    if (xdp && !has(have, needed[i]))
      return copse_fail(error, -EPERM, "AF_XDP ports need the capabilities net_admin, net_raw and bpf: run as root");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return copse_fail(error, -errno, "cannot give up privileges: %s", strerror(errno));
  if (pci)
    return 0;
  for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
    keep[CAP_TO_INDEX(needed[i])].permitted |= CAP_TO_MASK(needed[i]);
  for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
    keep[i].permitted &= have[i].permitted;
    keep[i].effective = keep[i].permitted;
  }
  if (syscall(SYS_capset, &header, keep) != 0)
    return copse_fail(error, -errno, "cannot drop capabilities: %s", strerror(errno));
  return 0;
}
