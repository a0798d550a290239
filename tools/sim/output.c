/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *const arrivals_name[] = {[STUDY_FLASH] = "flash", [STUDY_POISSON] = "poisson"};
static const char *const mode_name[] = {"p2p", "cdn"};

struct row {
  struct study_case which;
  size_t runs;
  double mean_s;   /* completion of a peer, mean of all peers and runs */
  double max_s;    /* of the last peer, mean of the runs */
  double stderr_s; /* of that mean */
  double floor_s;
  double own_bound;     /* completion over what physics allows a peer that arrived then, mean of peers and runs */
  double amplification; /* files sent by the seeds together */
  double cdn_bytes, backbone_bytes, direct_bytes;
  double speedup; /* max_s of p2p over this; NaN without */
};

static bool
same_row(const struct study_case *a, const struct study_case *b) {
  return a->peers == b->peers && a->size_bytes == b->size_bytes && a->arrivals == b->arrivals && a->cdn == b->cdn;
}

static double
last_of(const struct study_run *run) {
  double last = 0;

  for (uint32_t i = 0; i < run->which.peers; i++)
    last = fmax(last, run->result.finish_s[i]);
  return last;
}

static void
add_peers(const struct study *study, const struct study_run *run, struct row *row, double *peers) {
  for (uint32_t i = 0; i < run->which.peers; i++) {
    const double finish = run->result.finish_s[i];
    if (finish == 0)
      continue;
    row->mean_s += finish;
    row->own_bound += finish / study_bound(study, run->which.size_bytes, run->result.arrival_s[i]);
    (*peers)++;
  }
}

/* Of the runs from `first` on that belong together. */
static struct row
row_of(const struct study *study, const struct study_run *first, size_t count) {
  struct row row = {.which = first->which, .floor_s = study_floor(study, first->which.size_bytes), .speedup = NAN};
  double peers = 0, squares = 0;

  while (row.runs < count && same_row(&first[row.runs].which, &first->which)) {
    const struct study_run *run = &first[row.runs++];
    const double last = last_of(run);
    row.max_s += last;
    squares += last * last;
    row.amplification += run->result.seed_bytes / (double)run->which.size_bytes;
    row.cdn_bytes += run->result.cdn_bytes;
    row.backbone_bytes += run->result.backbone_bytes;
    row.direct_bytes += run->result.direct_bytes;
    add_peers(study, run, &row, &peers);
  }
  const double runs = (double)row.runs;
  row.max_s /= runs;
  row.stderr_s = row.runs > 1 ? sqrt(fmax(0, squares / runs - row.max_s * row.max_s) / (runs - 1)) : 0;
  row.mean_s /= peers;
  row.own_bound /= peers;
  row.amplification /= runs;
  row.cdn_bytes /= runs;
  row.backbone_bytes /= runs;
  row.direct_bytes /= runs;
  return row;
}

typedef void use_row(const struct row *row, void *context);

/* Calls `use` for each row; one with the CDN follows its own without. */
static void
each_row(const struct study *study, const struct study_run *runs, size_t count, use_row *use, void *context) {
  struct row before = {0};

  for (size_t i = 0; i < count;) {
    struct row row = row_of(study, &runs[i], count - i);
    if (row.which.cdn && i > 0 && !before.which.cdn && before.which.peers == row.which.peers &&
        before.which.size_bytes == row.which.size_bytes && before.which.arrivals == row.which.arrivals)
      row.speedup = before.max_s / row.max_s;
    use(&row, context);
    i += row.runs;
    before = row;
  }
}

static void
print_row(const struct row *row, void *context) {
  FILE *out = context;

  fprintf(out, "%5u %8.0f  %-7s  %-4s %9.2f %9.2f %8.2f %9.2f %8.3f %8.3f %9.2f %9.1f %9.1f", row->which.peers,
          (double)row->which.size_bytes / 1e6, arrivals_name[row->which.arrivals], mode_name[row->which.cdn],
          row->mean_s, row->max_s, row->stderr_s, row->floor_s, row->max_s / row->floor_s, row->own_bound,
          row->amplification, row->cdn_bytes / 1e6, row->backbone_bytes / 1e6);
  if (isnan(row->speedup))
    fputs("\n", out);
  else
    fprintf(out, "  %6.2f\n", row->speedup);
}

void
output_table(const struct study *study, const struct study_run *runs, size_t count, FILE *out) {
  fputs("peers  size MB  arrival  mode    mean s    last s  std.err   floor s  x floor  x bound  seed files    CDN MB  "
        "backbone  speed-up\n",
        out);
  each_row(study, runs, count, print_row, out);
}

static void
append_row(const struct row *row, void *context) {
  json_t *object = json_pack("{s:I, s:f, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "peers",
                             (json_int_t)row->which.peers, "size_mb", (double)row->which.size_bytes / 1e6, "arrivals",
                             arrivals_name[row->which.arrivals], "mode", mode_name[row->which.cdn], "mean_s",
                             row->mean_s, "max_s", row->max_s, "stderr_s", row->stderr_s, "floor_s", row->floor_s,
                             "ratio_to_floor", row->max_s / row->floor_s, "ratio_to_bound", row->own_bound,
                             "seed_amplification", row->amplification, "cdn_bytes", row->cdn_bytes, "backbone_bytes",
                             row->backbone_bytes, "direct_bytes", row->direct_bytes, "runs", (json_int_t)row->runs);

  if (!isnan(row->speedup))
    json_object_set_new(object, "speedup", json_real(row->speedup));
  json_array_append_new(context, object);
}

int
output_json(const struct study *study, const struct study_run *runs, size_t count, FILE *out) {
  json_t *rows = json_array();

  if (rows == NULL)
    return -ENOMEM;
  each_row(study, runs, count, append_row, rows);
  const int status = json_dumpf(rows, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
  json_decref(rows);
  return status == 0 && fputs("\n", out) != EOF ? 0 : -EIO;
}

void
output_csv(const struct study *study, const struct study_run *runs, size_t count, FILE *out) {
  (void)study;
  fputs("peers,size_mb,arrivals,mode,run,peer,arrival_s,finish_s\n", out);
  for (size_t i = 0; i < count; i++)
    for (uint32_t peer = 0; peer < runs[i].which.peers; peer++)
      if (runs[i].result.finish_s[peer] > 0)
        fprintf(out, "%u,%g,%s,%s,%u,%u,%.3f,%.3f\n", runs[i].which.peers, (double)runs[i].which.size_bytes / 1e6,
                arrivals_name[runs[i].which.arrivals], mode_name[runs[i].which.cdn], runs[i].which.run, peer + 1,
                runs[i].result.arrival_s[peer], runs[i].result.finish_s[peer]);
}
