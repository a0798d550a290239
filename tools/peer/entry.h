/* SPDX-License-Identifier: Apache-2.0 */
/* Before joining: make or find the session, and know its manifest and leaf hashes. A PoP that refuses is not asked
 * again while there is another. */
#ifndef PEER_ENTRY_H
#define PEER_ENTRY_H

#include "api.h"
#include "content.h"

#define SESSION_CHARS 32

/* Makes a session for the content and uploads its leaves; writes the session's name. Waits as long as all
 * control planes are away. -EACCES when refused, with a sentence. */
int entry_create(struct api *api, const struct content *content, char session[SESSION_CHARS + 1],
                 struct copse_error *error);
/* Fetches the manifest of a session. -ENOENT: there is no such session; else as above. */
int entry_manifest(struct api *api, const char *session, struct copse_manifest *manifest, struct copse_error *error);
/* Fetches the leaves, which must hash to the manifest's root; waits for them to be uploaded. */
int entry_leaves(struct api *api, const char *session, struct content *content, struct copse_error *error);

#endif
