/* SPDX-License-Identifier: Apache-2.0 */
/* copse-peer: shares a file, or gets one. */
#include "clock.h"
#include "peer.h"
#include "say.h"
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reading {
  struct progress *progress;
  const char *what;
};

static void
on_reading(void *context, uint64_t done, uint64_t size) {
  const struct reading *reading = context;

  progress_reading(reading->progress, reading->what, done, size, clock_ns());
}

/* The session to join must be of this very file. */
static int
check_session(struct api *api, const char *session, const struct content *content, struct copse_error *error) {
  struct copse_manifest manifest;
  int status = entry_manifest(api, session, &manifest, error);

  if (status < 0)
    return status;
  if (manifest.size != content->manifest.size || memcmp(manifest.root, content->manifest.root, COPSE_HASH_BYTES) != 0)
    return copse_fail(error, -EINVAL, "session %s is not of this file but of %s", session, manifest.name);
  return 0;
}

/* Hashes the file, makes or finds the session. */
static int
prepare_share(struct options *options, struct api *api, struct progress *progress, struct content *content,
              struct blocks **blocks, struct copse_error *error) {
  struct reading reading = {progress, "hashing"};
  uint8_t sha256[COPSE_HASH_BYTES];
  int status, fd = open(options->file, O_RDONLY | O_CLOEXEC);

  if (fd < 0)
    return copse_fail(error, -errno, "cannot read %s: %s", options->file, strerror(errno));
  status = content_hash(fd, options->file, content, sha256, &(struct content_watch){on_reading, &reading}, error);
  if (status == 0)
    status = options->session[0] ? check_session(api, options->session, content, error)
                                 : entry_create(api, content, options->session, error);
  if (status == 0 && blocks_open_shared(fd, content, blocks) < 0)
    status = copse_fail(error, -ENOMEM, "no memory");
  if (status < 0)
    close(fd);
  else
    progress_session(progress, options->session);
  return status;
}

/* Where the file is or goes: a manifest's name is never a path. */
static const char *
path_of(const struct options *options, const struct content *content) {
  return options->file ? options->file : content->manifest.name;
}

/* Learns what the session distributes, opens the file as far as it is there. */
static int
prepare_get(const struct options *options, struct api *api, struct progress *progress, struct content *content,
            struct blocks **blocks, struct copse_error *error) {
  struct reading reading = {progress, "verifying what is here"};
  int status = entry_manifest(api, options->session, &content->manifest, error);

  if (status == 0)
    status = entry_leaves(api, options->session, content, error);
  if (status == 0)
    status = blocks_open_fetched(path_of(options, content), content, &(struct content_watch){on_reading, &reading},
                                 blocks, error);
  return status;
}

static enum exit_status
run(struct options *options, struct api *api) {
  struct content content = {0};
  struct blocks *blocks = NULL;
  struct copse_error error;
  struct progress progress;

  progress_init(&progress, options->json, clock_ns());
  int status = options->command == COMMAND_SHARE ? prepare_share(options, api, &progress, &content, &blocks, &error)
                                                 : prepare_get(options, api, &progress, &content, &blocks, &error);
  enum exit_status result;
  if (status < 0) {
    say("%s", error.text);
    result = status == -EACCES ? EXIT_REFUSED : EXIT_FAILED;
  } else {
    result = peer_run(&(struct peer_config){.options = options,
                                            .api = api,
                                            .session = options->session,
                                            .path = path_of(options, &content),
                                            .content = &content,
                                            .blocks = blocks,
                                            .progress = &progress});
  }
  blocks_close(blocks);
  content_free(&content);
  return result;
}

/* One millisecond matters to the pacing: libevent's timers are coarser unless told. */
static struct event_base *
make_base(void) {
  struct event_config *config = event_config_new();
  struct event_base *base = NULL;

  if (config && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
    base = event_base_new_with_config(config);
  if (config)
    event_config_free(config);
  return base;
}

int
main(int argc, char **argv) {
  struct options options;
  struct copse_error error;
  int status = options_parse(argc, argv, &options, &error);

  if (status != 0) {
    if (status < 0)
      say("%s", error.text);
    options_free(&options);
    return status < 0 ? EXIT_USAGE : EXIT_DONE;
  }
  signal(SIGPIPE, SIG_IGN);
  struct api api = {.base = sodium_init() < 0 ? NULL : make_base(), .pops = &options.pops, .token = options.token};
  if (api.base)
    api.transfers = transfers_create(api.base, options.ca);
  enum exit_status result = EXIT_FAILED;
  if (api.transfers)
    result = run(&options, &api);
  else
    say("no memory");
  transfers_free(api.transfers);
  if (api.base)
    event_base_free(api.base);
  options_free(&options);
  return (int)result;
}
