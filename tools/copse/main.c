/* SPDX-License-Identifier: Apache-2.0 */
/* copse: what operators look at, and what they change, through the control plane's API. */
#include "command.h"
#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NOTHING = 3 };

const struct command commands[] = {
  {"status", "", "is all well, in a few lines", "Exit status 1 when the PoP is not healthy.\n", 0, 0, false,
   run_status},
  {"top", "", "a live picture of PoPs, sessions, trees, links and peers",
   "Links in use come with the fullest first, peers with the busiest first; `held by` is the verdict of why; q ends.\n",
   0, OPTION_ONCE | OPTION_DELAY, false, run_top},
  {"pops", "[remove POP]", "PoPs: peers, traffic, drops; removes one that never returns",
   "remove  settles what trees of a PoP that is away for good had leased, and forgets its peers; end its dataplane "
   "first\n",
   2, 0, false, run_pops},
  {"links", "[set FROM TO RATE | reset FROM TO]", "links: use, budget, reservations, loss; changes a budget",
   "set    makes RATE (50M, 200k, 5e7 bit/s) the budget for peers' traffic until it is reset, also after restarts\n"
   "reset  lets the configuration's budget hold again\n",
   4, 0, false, run_links},
  {"sessions", "", "sessions", "", 0, 0, false, run_sessions},
  {"trees", "[SESSION]", "trees: rates, bounds, edges", "SESSION may be the beginning of one.\n", 1, OPTION_DOT, false,
   run_trees},
  {"peers", "[SESSION]", "peers: progress and rates", "SESSION may be the beginning of one.\n", 1, 0, false, run_peers},
  {"credit", "[ACCOUNT | add ACCOUNT BYTES | create ACCOUNT [BYTES]]", "accounts; what trees hold of one; adds credit",
   "BYTES is 10G, 500M, 5e9. create prints the account's token, which is shown only then.\n", 3, 0, false, run_credit},
  {"drops", "", "drops by name, of every PoP, since its dataplane began", "", 0, 0, false, run_drops},
  {"why", "TREE|PEER", "which limit holds a tree or a peer now",
   "Says credit, link_budget, loss, tree_rate, uplink, last_hop or what else it is, with the numbers.\n", 1, 0, false,
   run_why},
  {"events", "", "changes of the store as they come", "", 0, OPTION_COUNT, false, run_events},
  {"config", "check FILE", "checks a configuration, whichever program it is for", "", 2, 0, true, run_config},
};
const size_t command_count = sizeof(commands) / sizeof(commands[0]);

static const char common_help[] =
  "  --endpoint URL     a control plane, https://host:port (COPSE_ENDPOINT; default https://127.0.0.1:7118)\n"
  "  --token-file FILE  that holds the token (COPSE_TOKEN_FILE, or the token itself in COPSE_TOKEN)\n"
  "  --ca FILE          trust these certificates (COPSE_CA; default: the system's)\n"
  "  --config FILE      with endpoint, token_file and ca (COPSE_CONFIG; default ~/.config/copse/copse.cfg, then\n"
  "                     /etc/copse/copse.cfg)\n"
  "  --json             for programs: the API's objects\n"
  "  --color WHEN       auto (on a terminal, unless NO_COLOR is set), always, never\n"
  "  --help, --version\n";

static const char exit_help[] =
  "\nexit status: 0 done, 1 refused or no answer, 2 wrong usage or configuration, 3 there is "
  "no such thing\n";

static void
print_help(void) {
  puts(
    "usage: copse COMMAND [OPTION]...\n\nLooks at a CDN that lends its network to peers, and changes what it lends.\n");
  for (size_t i = 0; i < command_count; i++)
    printf("  %-9s %s\n", commands[i].name, commands[i].summary);
  printf("\ncopse COMMAND --help tells more about one.\n\n%s%s", common_help, exit_help);
}

static void
print_command_help(const struct command *command) {
  printf("usage: copse %s%s%s [OPTION]...\n\n%s.\n%s\n", command->name, command->arguments[0] != '\0' ? " " : "",
         command->arguments, command->summary, command->help);
  if (command->options & OPTION_DOT)
    puts("  --dot              a graph for graphviz: copse trees --dot | dot -Tsvg > trees.svg");
  if (command->options & OPTION_ONCE)
    puts("  --once             one picture, without a terminal");
  if (command->options & OPTION_DELAY)
    puts("  -d, --delay S      seconds between two pictures (default 1)");
  if (command->options & OPTION_COUNT)
    puts("  -n, --count N      end after N events");
  printf("%s%s", common_help, exit_help);
}

/* Steps of inserting, deleting and replacing a letter that make one word the other. */
static size_t
distance(const char *a, const char *b) {
  size_t row[64], length = strlen(b);

  if (length >= 63 || strlen(a) >= 63)
    return 64;
  for (size_t j = 0; j <= length; j++)
    row[j] = j;
  for (size_t i = 1; a[i - 1] != '\0'; i++) {
    size_t diagonal = row[0];

    row[0] = i;
    for (size_t j = 1; j <= length; j++) {
      size_t replace = diagonal + (a[i - 1] != b[j - 1]), insert = row[j - 1] + 1, delete = row[j] + 1;

      diagonal = row[j];
      row[j] = replace < insert ? (replace < delete ? replace : delete) : (insert < delete ? insert : delete);
    }
  }
  return row[length];
}

static const struct command *
find_command(const char *name) {
  for (size_t i = 0; i < command_count; i++)
    if (strcmp(commands[i].name, name) == 0)
      return &commands[i];
  return NULL;
}

static int
unknown_command(const char *name) {
  size_t best = 3;
  const char *near = NULL;

  for (size_t i = 0; i < command_count; i++) {
    size_t away = distance(name, commands[i].name);
    if (away < best) {
      best = away;
      near = commands[i].name;
    }
  }
  if (near != NULL)
    fprintf(stderr, "copse: there is no command '%s'; is it %s?\n", name, near);
  else
    fprintf(stderr, "copse: there is no command '%s'; copse --help lists them\n", name);
  return EXIT_USAGE;
}

struct options {
  struct setting_options settings;
  const char *color;
  bool help, version;
};

enum {
  LONG_ENDPOINT = 256,
  LONG_TOKEN_FILE,
  LONG_CA,
  LONG_CONFIG,
  LONG_JSON,
  LONG_COLOR,
  LONG_VERSION,
  LONG_DOT,
  LONG_ONCE
};

static const struct option long_options[] = {
  {"endpoint", required_argument, NULL, LONG_ENDPOINT},
  {"token-file", required_argument, NULL, LONG_TOKEN_FILE},
  {"ca", required_argument, NULL, LONG_CA},
  {"config", required_argument, NULL, LONG_CONFIG},
  {"json", no_argument, NULL, LONG_JSON},
  {"color", required_argument, NULL, LONG_COLOR},
  {"version", no_argument, NULL, LONG_VERSION},
  {"help", no_argument, NULL, 'h'},
  {"dot", no_argument, NULL, LONG_DOT},
  {"once", no_argument, NULL, LONG_ONCE},
  {"delay", required_argument, NULL, 'd'},
  {"count", required_argument, NULL, 'n'},
  {NULL, 0, NULL, 0},
};

static int
take_number(const char *name, double minimum, double maximum, double *out, struct copse_error *error) {
  char *end;

  *out = strtod(optarg, &end);
  if (end == optarg || *end != '\0' || !(*out >= minimum && *out <= maximum))
    return copse_fail(error, -EINVAL, "--%s: '%s' is no number from %g to %g", name, optarg, minimum, maximum);
  return 0;
}

/* One option; `used` collects those that not every command takes. */
static int
take_option(int letter, struct options *options, struct context *context, unsigned *used, struct copse_error *error) {
  double number;
  int result = 0;

  switch (letter) {
  case LONG_ENDPOINT:
    options->settings.endpoint = optarg;
    break;
  case LONG_TOKEN_FILE:
    options->settings.token_file = optarg;
    break;
  case LONG_CA:
    options->settings.ca = optarg;
    break;
  case LONG_CONFIG:
    options->settings.config = optarg;
    break;
  case LONG_COLOR:
    options->color = optarg;
    break;
  case LONG_JSON:
    context->json = true;
    break;
  case LONG_VERSION:
    options->version = true;
    break;
  case 'h':
    options->help = true;
    break;
  case LONG_DOT:
    context->dot = true;
    *used |= OPTION_DOT;
    break;
  case LONG_ONCE:
    context->once = true;
    *used |= OPTION_ONCE;
    break;
  case 'd':
    *used |= OPTION_DELAY;
    result = take_number("delay", 0.1, 3600, &context->delay_s, error);
    break;
  case 'n':
    *used |= OPTION_COUNT;
    result = take_number("count", 1, 1e9, &number, error);
    context->count = (unsigned long)number;
    break;
  default:
    result = copse_fail(error, -EINVAL, "an option is unknown or incomplete; --help lists them");
  }
  return result;
}

static int
take_options(int argc, char **argv, struct options *options, struct context *context, unsigned *used,
             struct copse_error *error) {
  int letter, result = 0;

  opterr = 0;
  while (result == 0 && (letter = getopt_long(argc, argv, "hd:n:", long_options, NULL)) != -1)
    result = take_option(letter, options, context, used, error);
  if (result == 0 && strcmp(options->color, "auto") != 0 && strcmp(options->color, "always") != 0 &&
      strcmp(options->color, "never") != 0)
    result = copse_fail(error, -EINVAL, "--color: must be auto, always or never");
  return result;
}

static void
choose_look(const char *color, struct look *look) {
  const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
  bool wanted = (no_color == NULL || no_color[0] == '\0') && (term == NULL || strcmp(term, "dumb") != 0);

  look->color = strcmp(color, "always") == 0 || (strcmp(color, "auto") == 0 && wanted && isatty(STDOUT_FILENO));
  look->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static int
exit_status(int result) {
  switch (result) {
  case 0:
    return EXIT_SUCCESS;
  case -EINVAL:
    return EXIT_USAGE;
  case -ENOENT:
    return EXIT_NOTHING;
  default:
    return EXIT_REFUSED;
  }
}

static int
run(const struct command *command, struct context *context, const struct settings *settings,
    struct copse_error *error) {
  int result = 0;

  context->settings = settings;
  if (!command->local && (context->client = client_create(settings)) == NULL)
    result = copse_fail(error, -ENOMEM, "no memory");
  if (result == 0)
    result = command->run(context, error);
  client_free(context->client);
  if (result == 0 && (fflush(stdout) != 0 || ferror(stdout)))
    result = copse_fail(error, -EIO, "the output cannot be written");
  return result;
}

/* A file that is not there or cannot be read is a wrong setting, not an answer. */
static int
read_settings(const struct command *command, const struct options *options, struct settings *settings,
              struct copse_error *error) {
  int result = command->local ? 0 : settings_read(settings, &options->settings, error);

  return result == -ENOENT || result == -EACCES ? -EINVAL : result;
}

int
main(int argc, char **argv) {
  struct context context = {.delay_s = 1};
  struct options options = {.color = "auto"};
  struct settings settings = {.endpoint = NULL};
  struct copse_error error = {.text = ""};
  const struct command *command;
  unsigned used = 0;
  int result;

  setlocale(LC_CTYPE, "");
  signal(SIGPIPE, SIG_IGN);
  result = take_options(argc, argv, &options, &context, &used, &error);
  if (result == 0 && options.version) {
    puts("copse " COPSE_VERSION);
    return EXIT_SUCCESS;
  }
  if (result == 0 && optind >= argc) {
    if (options.help)
      print_help();
    else
      fputs("copse: say what; copse --help lists the commands\n", stderr);
    return options.help ? EXIT_SUCCESS : EXIT_USAGE;
  }
  command = optind < argc ? find_command(argv[optind]) : NULL;
  if (result == 0 && command == NULL)
    return unknown_command(argv[optind]);
  if (result == 0 && options.help) {
    print_command_help(command);
    return EXIT_SUCCESS;
  }
  context.words = argv + optind + 1;
  context.word_count = argc - optind - 1;
  if (result == 0 && (context.word_count > command->words_max || (used & ~command->options) != 0))
    result = copse_fail(&error, -EINVAL, "usage: copse %s %s; copse %s --help tells more", command->name,
                        command->arguments, command->name);
  choose_look(options.color, &context.look);
  if (result == 0)
    result = read_settings(command, &options, &settings, &error);
  if (result == 0)
    result = run(command, &context, &settings, &error);
  settings_free(&settings);
  if (result != 0)
    fprintf(stderr, "copse: %s\n", error.text);
  return exit_status(result);
}
