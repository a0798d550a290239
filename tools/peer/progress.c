/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"
#include "say.h"
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MILLISECOND 1000000ULL
#define JSON_NS (500 * MILLISECOND)
#define TERMINAL_NS (200 * MILLISECOND)
#define LINE_NS (3000 * MILLISECOND)
#define BAR_CHARS 30

void
progress_init(struct progress *progress, bool json, uint64_t now) {
  *progress = (struct progress){.json = json, .terminal = isatty(STDERR_FILENO), .begun = now};
}

static double
seconds(const struct progress *progress, uint64_t now) {
  return (double)(now - progress->begun) / 1e9;
}

static bool
due(struct progress *progress, uint64_t now) {
  uint64_t period = progress->json ? JSON_NS : progress->terminal ? TERMINAL_NS : LINE_NS;

  return now - progress->shown >= period;
}

static double
rate(uint64_t bytes, uint64_t before, uint64_t elapsed) {
  return elapsed ? (double)(bytes - before) * 8e9 / (double)elapsed : 0;
}

static void
draw_bar(char bar[BAR_CHARS + 1], double part) {
  int filled = (int)(part * BAR_CHARS);

  memset(bar, '.', BAR_CHARS);
  memset(bar, '#', (size_t)filled);
  bar[BAR_CHARS] = 0;
}

void
progress_update(struct progress *progress, const struct status *status, uint64_t now) {
  uint64_t elapsed = now - (progress->shown ? progress->shown : progress->begun);
  double part = (double)status->have / status->blocks, cdn, direct, sent;
  char bar[BAR_CHARS + 1];

  if (!due(progress, now))
    return;
  cdn = rate(status->cdn_bytes, progress->last.cdn_bytes, elapsed);
  direct = rate(status->direct_bytes, progress->last.direct_bytes, elapsed);
  sent = rate(status->sent_bytes, progress->last.sent_bytes, elapsed);
  progress->shown = now;
  progress->last = *status;
  if (progress->json) {
    printf("{\"have\":%" PRIu32 ",\"blocks\":%" PRIu32 ",\"cdn_bps\":%.0f,\"direct_bps\":%.0f,\"sent_bps\":%.0f,"
           "\"cdn_bytes\":%" PRIu64 ",\"direct_bytes\":%" PRIu64 ",\"sent_bytes\":%" PRIu64
           ",\"mode\":\"%s\",\"seconds\":%.3f}\n",
           status->have, status->blocks, cdn, direct, sent, status->cdn_bytes, status->direct_bytes, status->sent_bytes,
           status->direct ? "direct" : "cdn", seconds(progress, now));
    fflush(stdout);
    return;
  }
  draw_bar(bar, part);
  fprintf(stderr,
          progress->terminal ? "\r%s %5.1f %%  trees %.1f  peers %.1f  sending %.1f Mbit/s\033[K"
                             : "copse-peer: %s %5.1f %%  trees %.1f  peers %.1f  sending %.1f Mbit/s\n",
          bar, 100 * part, cdn / 1e6, direct / 1e6, sent / 1e6);
}

void
progress_reading(struct progress *progress, const char *what, uint64_t done, uint64_t size, uint64_t now) {
  if (progress->json || !due(progress, now))
    return;
  progress->shown = now;
  fprintf(stderr, progress->terminal ? "\r%s: %.0f %%\033[K" : "copse-peer: %s: %.0f %%\n", what,
          100.0 * (double)done / (double)size);
}

void
progress_session(struct progress *progress, const char *session) {
  printf(progress->json ? "{\"session\":\"%s\"}\n" : "session %s\n", session);
  fflush(stdout);
}

void
progress_done(struct progress *progress, const struct status *status, const char *path, const uint8_t sha256[32],
              uint64_t now) {
  char hex[65];

  sodium_bin2hex(hex, sizeof(hex), sha256, 32);
  if (progress->json) {
    printf("{\"done\":true,\"have\":%" PRIu32 ",\"blocks\":%" PRIu32 ",\"cdn_bytes\":%" PRIu64
           ",\"direct_bytes\":%" PRIu64 ",\"sent_bytes\":%" PRIu64 ",\"sha256\":\"%s\",\"seconds\":%.3f}\n",
           status->have, status->blocks, status->cdn_bytes, status->direct_bytes, status->sent_bytes, hex,
           seconds(progress, now));
    fflush(stdout);
  } else {
    say("%s is complete after %.1f s, SHA-256 %s", path, seconds(progress, now), hex);
  }
}

void
progress_end(struct progress *progress, const struct status *status, uint64_t now) {
  if (progress->json)
    return;
  say("leaving after %.1f s: %.1f MB from trees, %.1f MB from peers, %.1f MB sent", seconds(progress, now),
      (double)status->cdn_bytes / 1e6, (double)status->direct_bytes / 1e6, (double)status->sent_bytes / 1e6);
}
