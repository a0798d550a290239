/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of several runs of a case: means, the error of the last peer's, and the span of each ratio. */
#include "output.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <stdlib.h>

static double
number(const json_t *row, const char *key, size_t index) {
  const json_t *value = json_object_get(row, key);

  return json_number_value(json_is_array(value) ? json_array_get(value, index) : value);
}

/* Two runs of two receivers without the CDN: 1500 and 2000 s, 2500 and 3000; with it half of that. Floor: 1000 s. */
static json_t *
rows_of(const struct study *study) {
  size_t count;
  struct study_run *runs = jobs_cases(study, &count);
  char *text = NULL;
  size_t size = 0;

  cr_assert(eq(sz, count, 4));
  for (size_t i = 0; i < count; i++)
    for (uint32_t peer = 2; peer < 4; peer++)
      runs[i].result.finish_s[peer] =
        (1500 + 1000 * runs[i].which.run + 500 * (peer - 2)) / (runs[i].which.cdn ? 2 : 1);
  FILE *out = open_memstream(&text, &size);
  cr_assert(eq(int, output_json(study, runs, count, out), 0));
  fclose(out);
  json_t *rows = json_loads(text, 0, NULL);
  free(text);
  free(runs);
  return rows;
}

Test(output, runs_are_summed_up) {
  struct study study = {0};
  struct copse_error error;

  cr_assert(eq(int, study_read(STUDIES "/paper.cfg", &study, &error), 0), "%s", error.text);
  study.peers[0] = 4;
  study.peers_count = 1;
  study.arrivals[STUDY_POISSON] = false;
  study.seeds[0] = 1;
  study.seeds[1] = 2;
  study.runs = 2;
  json_t *rows = rows_of(&study);
  const json_t *alone = json_array_get(rows, 0), *trees = json_array_get(rows, 1);

  cr_expect(eq(dbl, number(alone, "mean_s", 0), 2250));
  cr_expect(eq(dbl, number(alone, "max_s", 0), 2500));
  cr_expect(eq(dbl, number(alone, "stderr_s", 0), 500));
  cr_expect(eq(dbl, number(alone, "ratio_to_floor", 0), 2.5));
  cr_expect(eq(dbl, number(alone, "floor_ratios", 0), 2));
  cr_expect(eq(dbl, number(alone, "floor_ratios", 1), 3));
  cr_expect(eq(dbl, number(alone, "ratio_to_bound", 0), 2.25));
  cr_expect(eq(dbl, number(alone, "bound_ratios", 0), 1.75));
  cr_expect(eq(dbl, number(alone, "bound_ratios", 1), 2.75));
  cr_expect(eq(dbl, number(trees, "speedup", 0), 2));
  json_decref(rows);
  study_free(&study);
}
