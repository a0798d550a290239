/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FOLDER_H
#define FOLDER_H

/* Removes a folder with all that is in it. */
void folder_remove(const char *path);

#endif
