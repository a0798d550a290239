/* SPDX-License-Identifier: Apache-2.0 */
/* copse-sim: a study in simulation, packet by packet or at flow level. */
#include "output.h"

#include <copse/error.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_BAD_INPUT = 2 };

static const char usage[] =
  "Usage: copse-sim STUDY [--json] [--csv FILE] [--jobs N] [--runs N]\n"
  "\n"
  "Runs every case of a study (config/studies/) and prints a table of completion times. Peers, trees, token buckets "
  "and\n"
  "the block scheduler are copse's own code; TCP, links and queues are simulated packet by packet, or, where the "
  "study\n"
  "says so, transfers between peers as flows.\n"
  "\n"
  "  --json       print the table as a JSON list\n"
  "  --csv FILE   also write the completion time of every peer of every run\n"
  "  --jobs N     run so many cases at a time (default: one for each CPU)\n"
  "  --runs N     seeds of randomness for each case, instead of what the study says\n"
  "  --help, --version\n"
  "\n"
  "Exit status: 0; 2 when STUDY is not valid; 1 for any other failure, such as peers that never finish.\n"
  "Example: copse-sim config/studies/paper.cfg --runs 2\n";

struct arguments {
  const char *study, *csv;
  unsigned long jobs, runs;
  bool json;
};

static int
fail(int status, const char *sentence) {
  fprintf(stderr, "copse-sim: %s\n", sentence);
  return status;
}

static void
show_progress(size_t done, size_t all) {
  if (!isatty(STDERR_FILENO))
    return;
  fprintf(stderr, "\r[");
  for (size_t i = 0; i < 40; i++)
    fputc(i < done * 40 / all ? '#' : '.', stderr);
  fprintf(stderr, "] %zu of %zu runs%s", done, all, done == all ? "\n" : "");
}

/* What no run may do: leave a peer without its file, or be faster than its links. */
static int
check(const struct study_run *runs, size_t count, struct copse_error *error) {
  for (size_t i = 0; i < count; i++) {
    const struct study_case *which = &runs[i].which;
    if (runs[i].result.unfinished > 0)
      return copse_fail(error, -ETIMEDOUT, "%u of %u peers never finished (%.0f MB, run %u)", runs[i].result.unfinished,
                        which->peers, (double)which->size_bytes / 1e6, which->run);
    if (runs[i].result.too_early > 0)
      return copse_fail(error, -ERANGE, "%u of %u peers finished before their links allow (%.0f MB, run %u)",
                        runs[i].result.too_early, which->peers, (double)which->size_bytes / 1e6, which->run);
  }
  return 0;
}

static int
write_csv(const char *path, const struct study *study, const struct study_run *runs, size_t count,
          struct copse_error *error) {
  FILE *out = fopen(path, "w");

  if (out == NULL)
    return copse_fail(error, -errno, "%s: %m", path);
  output_csv(study, runs, count, out);
  return fclose(out) == 0 ? 0 : copse_fail(error, -errno, "%s: %m", path);
}

static int
run(const struct arguments *arguments, const struct study *study, struct copse_error *error) {
  size_t count;
  struct study_run *runs = jobs_cases(study, &count);
  int status = jobs_run(study, runs, count, (unsigned)arguments->jobs, show_progress, error);

  if (status == 0)
    status = check(runs, count, error);
  if (status == 0 && arguments->csv != NULL)
    status = write_csv(arguments->csv, study, runs, count, error);
  if (status == 0 && !arguments->json)
    output_table(study, runs, count, stdout);
  else if (status == 0 && output_json(study, runs, count, stdout) < 0)
    status = copse_fail(error, -EIO, "the table cannot be written");
  free(runs);
  return status;
}

/* Returns an exit status, or -1 to go on. */
static int
parse(int argc, char **argv, struct arguments *arguments) {
  static const struct option options[] = {
    {"json", no_argument, NULL, 'j'},
    {"csv", required_argument, NULL, 'c'},
    {"jobs", required_argument, NULL, 'n'},
    {"runs", required_argument, NULL, 'r'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {0},
  };
  int option;

  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    char *end = optarg;
    switch (option) {
    case 'j':
      arguments->json = true;
      break;
    case 'c':
      arguments->csv = optarg;
      break;
    case 'n':
    case 'r':
      *(option == 'n' ? &arguments->jobs : &arguments->runs) = strtoul(optarg, &end, 10);
      if (*end != 0 || end == optarg || optarg[0] == '-' || strtoul(optarg, NULL, 10) - 1 >= 1000)
        return fail(EXIT_BAD_INPUT, "--jobs and --runs take a number from 1 to 1000");
      break;
    case 'h':
      fputs(usage, stdout);
      return EXIT_SUCCESS;
    case 'v':
      puts("copse-sim " COPSE_VERSION);
      return EXIT_SUCCESS;
    default:
      return fail(EXIT_BAD_INPUT, "try copse-sim --help");
    }
  }
  if (optind + 1 != argc)
    return fail(EXIT_BAD_INPUT, "exactly one STUDY is needed; try copse-sim --help");
  arguments->study = argv[optind];
  return -1;
}

int
main(int argc, char **argv) {
  struct arguments arguments = {.jobs = (unsigned long)sysconf(_SC_NPROCESSORS_ONLN)};
  struct copse_error error = {{0}};
  struct study study = {0};
  int status = parse(argc, argv, &arguments);

  if (status >= 0)
    return status;
  if (study_read(arguments.study, &study, &error) < 0) {
    fprintf(stderr, "%s\n", error.text);
    status = EXIT_BAD_INPUT;
  } else {
    study.runs = arguments.runs > 0 ? arguments.runs : study.runs;
    status = run(&arguments, &study, &error) < 0 ? fail(EXIT_FAILURE, error.text) : EXIT_SUCCESS;
  }
  study_free(&study);
  return status;
}
