/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *const arrivals_name[] = {[STUDY_FLASH] = "flash", [STUDY_POISSON] = "poisson"};
static const char *const mode_name[] = {"p2p", "cdn"};
static const char *const level_name[] = {"packet", "flow"};

struct span {
  double least, most;
};

struct row {
  struct study_case which;
  size_t runs;
  double mean_s;   /* completion of a peer that is not slow, mean of all such peers and runs */
  double max_s;    /* of the last of them, mean of the runs */
  double stderr_s; /* of that mean */
  double floor_s;
  double own_bound; /* completion over what physics allows a peer that arrived then, mean of peers and runs */
  struct span max_ratio, own_ratio; /* of the runs: max_s over floor_s, own_bound */
  double amplification;             /* files sent by the seeds together */
  double cdn_bytes, backbone_bytes, direct_bytes;
  double slow_s;  /* of the last of the slow peers, mean of the runs; 0: there are none */
  double speedup; /* max_s of p2p over this; NaN without */
};

static bool
same_scenario(const struct study_case *a, const struct study_case *b) {
  return a->peers == b->peers && a->size_bytes == b->size_bytes && a->arrivals == b->arrivals && a->flow == b->flow &&
         a->value == b->value;
}

static double
last_of(const struct study *study, const struct study_run *run, bool slow) {
  double last = 0;

  for (uint32_t i = 0; i < run->which.peers; i++)
    if (study_is_slow(study, &run->which, i) == slow)
      last = fmax(last, run->result.finish_s[i]);
  return last;
}

static void
widen(struct span *span, double value) {
  span->least = fmin(span->least, value);
  span->most = fmax(span->most, value);
}

/* Adds a run's means over its peers that are not slow. */
static void
add_peers(const struct study *study, const struct study_run *run, struct row *row) {
  double mean_s = 0, own_bound = 0, peers = 0;

  for (uint32_t i = 0; i < run->which.peers; i++) {
    const double finish = run->result.finish_s[i];
    if (finish == 0 || study_is_slow(study, &run->which, i))
      continue;
    mean_s += finish;
    own_bound += finish / study_bound(study, &run->which, i, run->result.arrival_s[i]);
    peers++;
  }
  row->mean_s += mean_s / peers;
  row->own_bound += own_bound / peers;
  widen(&row->own_ratio, own_bound / peers);
}

/* Of the runs from `first` on that belong together. */
static struct row
row_of(const struct study *study, const struct study_run *first, size_t count) {
  struct row row = {.which = first->which,
                    .floor_s = study_floor(study, &first->which),
                    .max_ratio = {INFINITY, 0},
                    .own_ratio = {INFINITY, 0},
                    .speedup = NAN};
  double squares = 0;

  while (row.runs < count && same_scenario(&first[row.runs].which, &first->which) &&
         first[row.runs].which.cdn == first->which.cdn) {
    const struct study_run *run = &first[row.runs++];
    const double last = last_of(study, run, false);
    row.max_s += last;
    widen(&row.max_ratio, last / row.floor_s);
    row.slow_s += last_of(study, run, true);
    squares += last * last;
    row.amplification += run->result.seed_bytes / (double)run->which.size_bytes;
    row.cdn_bytes += run->result.cdn_bytes;
    row.backbone_bytes += run->result.backbone_bytes;
    row.direct_bytes += run->result.direct_bytes;
    add_peers(study, run, &row);
  }
  const double runs = (double)row.runs;
  row.max_s /= runs;
  row.slow_s /= runs;
  row.stderr_s = row.runs > 1 ? sqrt(fmax(0, squares / runs - row.max_s * row.max_s) / (runs - 1)) : 0;
  row.mean_s /= runs;
  row.own_bound /= runs;
  row.amplification /= runs;
  row.cdn_bytes /= runs;
  row.backbone_bytes /= runs;
  row.direct_bytes /= runs;
  return row;
}

typedef void use_row(const struct study *study, const struct row *row, void *context);

/* Calls `use` for each row; one with the CDN follows its own without. */
static void
each_row(const struct study *study, const struct study_run *runs, size_t count, use_row *use, void *context) {
  struct row before = {0};

  for (size_t i = 0; i < count;) {
    struct row row = row_of(study, &runs[i], count - i);
    if (row.which.cdn && i > 0 && !before.which.cdn && same_scenario(&before.which, &row.which))
      row.speedup = before.max_s / row.max_s;
    use(study, &row, context);
    i += row.runs;
    before = row;
  }
}

static void
print_row(const struct study *study, const struct row *row, void *context) {
  FILE *out = context;

  if (study->vary.key != NULL)
    fprintf(out, "%12g ", row->which.value);
  fprintf(out, "%5u %8.0f  %-7s  %-4s  %-6s %9.2f %9.2f %8.2f %9.2f %8.3f %8.3f %9.2f %9.1f %9.1f", row->which.peers,
          (double)row->which.size_bytes / 1e6, arrivals_name[row->which.arrivals], mode_name[row->which.cdn],
          level_name[row->which.flow], row->mean_s, row->max_s, row->stderr_s, row->floor_s, row->max_s / row->floor_s,
          row->own_bound, row->amplification, row->cdn_bytes / 1e6, row->backbone_bytes / 1e6);
  if (isnan(row->speedup))
    fputs("\n", out);
  else
    fprintf(out, "  %6.2f\n", row->speedup);
}

void
output_table(const struct study *study, const struct study_run *runs, size_t count, FILE *out) {
  if (study->vary.key != NULL)
    fprintf(out, "%12s ", study->vary.key);
  fputs("peers  size MB  arrival  mode  level     mean s    last s  std.err   floor s  x floor  x bound  seed files    "
        "CDN MB  "
        "backbone  speed-up\n",
        out);
  each_row(study, runs, count, print_row, out);
}

static void
append_row(const struct study *study, const struct row *row, void *context) {
  json_t *object =
    json_pack("{s:I, s:f, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "peers",
              (json_int_t)row->which.peers, "size_mb", (double)row->which.size_bytes / 1e6, "arrivals",
              arrivals_name[row->which.arrivals], "mode", mode_name[row->which.cdn], "level",
              level_name[row->which.flow], "mean_s", row->mean_s, "max_s", row->max_s, "stderr_s", row->stderr_s,
              "floor_s", row->floor_s, "ratio_to_floor", row->max_s / row->floor_s, "ratio_to_bound", row->own_bound,
              "seed_amplification", row->amplification, "cdn_bytes", row->cdn_bytes, "backbone_bytes",
              row->backbone_bytes, "direct_bytes", row->direct_bytes, "runs", (json_int_t)row->runs);

  json_object_set_new(object, "floor_ratios", json_pack("[f, f]", row->max_ratio.least, row->max_ratio.most));
  json_object_set_new(object, "bound_ratios", json_pack("[f, f]", row->own_ratio.least, row->own_ratio.most));
  if (!isnan(row->speedup))
    json_object_set_new(object, "speedup", json_real(row->speedup));
  if (row->slow_s > 0)
    json_object_set_new(object, "slow_max_s", json_real(row->slow_s));
  if (study->vary.key != NULL)
    json_object_set_new(object, study->vary.key, json_real(row->which.value));
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

static void
print_peer(const struct study *study, const struct study_run *run, uint32_t peer, FILE *out) {
  fprintf(out, "%u,%g,%s,%s,%s,%u,%u,%.3f,%.3f", run->which.peers, (double)run->which.size_bytes / 1e6,
          arrivals_name[run->which.arrivals], mode_name[run->which.cdn], level_name[run->which.flow], run->which.run,
          peer + 1, run->result.arrival_s[peer], run->result.finish_s[peer]);
  if (study->vary.key != NULL)
    fprintf(out, ",%g", run->which.value);
  fputc('\n', out);
}

void
output_csv(const struct study *study, const struct study_run *runs, size_t count, FILE *out) {
  fprintf(out, "peers,size_mb,arrivals,mode,level,run,peer,arrival_s,finish_s%s%s\n",
          study->vary.key != NULL ? "," : "", study->vary.key != NULL ? study->vary.key : "");
  for (size_t i = 0; i < count; i++)
    for (uint32_t peer = 0; peer < runs[i].which.peers; peer++)
      if (runs[i].result.finish_s[peer] > 0)
        print_peer(study, &runs[i], peer, out);
}
