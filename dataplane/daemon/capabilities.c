/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* XDP programs and maps, AF_XDP sockets and their locked memory, routes and neighbours. */
static const int needed[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_PERFMON, CAP_IPC_LOCK};

int
copse_capabilities_drop(bool pci, struct copse_error *error) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3], keep[_LINUX_CAPABILITY_U32S_3];

  memset(keep, 0, sizeof(keep));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return copse_fail(error, -errno, "cannot give up privileges: %s", strerror(errno));
  if (pci)
    return 0;
  if (syscall(SYS_capget, &header, have) != 0)
    return copse_fail(error, -errno, "cannot read our capabilities: %s", strerror(errno));
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
