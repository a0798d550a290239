/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"
#include <ftw.h>
#include <stdio.h>

static int
remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

void
folder_remove(const char *path) {
  nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
