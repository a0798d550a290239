/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_MIN 1e3
#define RATE_MAX 100e9
#define TOKEN_MAX 512

static const char help[] =
  "usage: copse-peer share FILE      --pop URL --token-file F --ca CERT --address IP --up RATE --down RATE [...]\n"
  "       copse-peer get SESSION [-o FILE]  the same options\n"
  "\n"
  "share  makes a session for FILE (or joins one with --session), prints `session ID` and serves until it is over.\n"
  "get    fetches a session's file into FILE (default: the name it was shared under) and goes on serving others\n"
  "       until the session is over. FILE appears only when every block was verified; an interrupted get goes on\n"
  "       from FILE.part when it is started again.\n"
  "\n"
  "  --pop URL          control plane of the PoP, https://host:port; up to 16 times: the next one is joined when one "
  "does\n"
  "                     not answer, refuses, or has not served for 5 s, control plane or blocks; then it stays there\n"
  "  --token T          account token; --token-file F reads it from a file, where other users cannot see it\n"
  "  --ca CERT.pem      trust only this certificate, or these, one after another (default: the system's authorities)\n"
  "  --address IP       address of this machine that packets of blocks come from and go to\n"
  "  --up, --down RATE  what the access link carries, bit/s at layer 3: 20M, 200k, 20e6\n"
  "  --session S        share: join this session of the same file instead of making one\n"
  "  --port P           UDP port of block packets (default: any free one)\n"
  "  --http-port P      TCP port other peers fetch from (default: any free one)\n"
  "  -o, --output FILE  get: where to write\n"
  "  --leave            get: leave as soon as the file is complete\n"
  "  --direct           use no trees: fetch from other peers and serve them, the control plane only says who is there\n"
  "  --json             one JSON object a line on standard output\n"
  "  --help, --version\n"
  "\n"
  "exit status: 0 done, 1 failed, 2 wrong usage, 3 refused by the control plane, 130 interrupted\n";

enum {
  OPTION_POP = 256,
  OPTION_TOKEN,
  OPTION_TOKEN_FILE,
  OPTION_CA,
  OPTION_ADDRESS,
  OPTION_UP,
  OPTION_DOWN,
  OPTION_SESSION,
  OPTION_PORT,
  OPTION_HTTP_PORT,
  OPTION_LEAVE,
  OPTION_DIRECT,
  OPTION_JSON,
  OPTION_HELP,
  OPTION_VERSION,
};

static const struct option table[] = {
  {"pop", required_argument, NULL, OPTION_POP},
  {"token", required_argument, NULL, OPTION_TOKEN},
  {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
  {"ca", required_argument, NULL, OPTION_CA},
  {"address", required_argument, NULL, OPTION_ADDRESS},
  {"up", required_argument, NULL, OPTION_UP},
  {"down", required_argument, NULL, OPTION_DOWN},
  {"session", required_argument, NULL, OPTION_SESSION},
  {"port", required_argument, NULL, OPTION_PORT},
  {"http-port", required_argument, NULL, OPTION_HTTP_PORT},
  {"output", required_argument, NULL, 'o'},
  {"leave", no_argument, NULL, OPTION_LEAVE},
  {"direct", no_argument, NULL, OPTION_DIRECT},
  {"json", no_argument, NULL, OPTION_JSON},
  {"help", no_argument, NULL, OPTION_HELP},
  {"version", no_argument, NULL, OPTION_VERSION},
  {NULL, 0, NULL, 0},
};

bool
options_rate(const char *text, uint64_t *bps) {
  char *end;
  double rate = strtod(text, &end);

  switch (*end) {
  case 'k':
    rate *= 1e3;
    end++;
    break;
  case 'M':
    rate *= 1e6;
    end++;
    break;
  case 'G':
    rate *= 1e9;
    end++;
    break;
  default:
    break;
  }
  if (end == text || *end || !(rate >= RATE_MIN && rate <= RATE_MAX))
    return false;
  *bps = (uint64_t)rate;
  return true;
}

static int
take_rate(const char *name, const char *text, uint64_t *bps, struct copse_error *error) {
  return options_rate(text, bps)
           ? 0
           : copse_fail(error, -EINVAL, "--%s: %s is not a rate such as 20M, 200k or 20e6 (bit/s)", name, text);
}

static int
take_port(const char *name, const char *text, uint16_t *port, struct copse_error *error) {
  char *end;
  unsigned long number = strtoul(text, &end, 10);

  if (end == text || *end || number > UINT16_MAX)
    return copse_fail(error, -EINVAL, "--%s: %s is not a port", name, text);
  *port = (uint16_t)number;
  return 0;
}

static int
take_session(const char *text, char session[SESSION_CHARS + 1], struct copse_error *error) {
  if (strlen(text) != SESSION_CHARS || strspn(text, "0123456789abcdef") != SESSION_CHARS)
    return copse_fail(error, -EINVAL, "%s is not a session: 32 hexadecimal digits", text);
  memcpy(session, text, SESSION_CHARS + 1);
  return 0;
}

static int
take_pop(const char *text, struct pops *pops, struct copse_error *error) {
  size_t length = strlen(text);

  while (length > 0 && text[length - 1] == '/')
    length--;
  if (strncmp(text, "https://", 8) != 0 || length <= 8)
    return copse_fail(error, -EINVAL, "--pop: %s is not an https:// URL", text);
  int status = pops_add(pops, text, length);
  if (status == -ENOSPC)
    return copse_fail(error, -EINVAL, "--pop: at most %d", POPS_MAX);
  return status == 0 ? 0 : copse_fail(error, status, "no memory");
}

static int
take_token(const char *text, size_t length, char **token, struct copse_error *error) {
  free(*token);
  *token = strndup(text, length);
  if (!*token)
    return copse_fail(error, -ENOMEM, "no memory");
  for (const char *at = *token; *at; at++)
    if (*at <= ' ' || *at > '~')
      return copse_fail(error, -EINVAL, "the token has characters no token has");
  return **token ? 0 : copse_fail(error, -EINVAL, "the token is empty");
}

/* The first line of the file. */
static int
read_token(const char *path, char **token, struct copse_error *error) {
  char line[TOKEN_MAX] = "";
  FILE *file = fopen(path, "re");

  if (!file)
    return copse_fail(error, -errno, "--token-file: %s: %s", path, strerror(errno));
  bool read = fgets(line, sizeof(line), file) != NULL;
  fclose(file);
  if (!read)
    return copse_fail(error, -EINVAL, "--token-file: %s is empty", path);
  return take_token(line, strcspn(line, "\r\n"), token, error);
}

static int
take_option(int option, struct options *options, struct copse_error *error) {
  switch (option) {
  case OPTION_POP:
    return take_pop(optarg, &options->pops, error);
  case OPTION_TOKEN:
    return take_token(optarg, strlen(optarg), &options->token, error);
  case OPTION_TOKEN_FILE:
    return read_token(optarg, &options->token, error);
  case OPTION_CA:
    options->ca = optarg;
    return 0;
  case OPTION_ADDRESS:
    options->address = optarg;
    return 0;
  case OPTION_UP:
    return take_rate("up", optarg, &options->up_bps, error);
  case OPTION_DOWN:
    return take_rate("down", optarg, &options->down_bps, error);
  case OPTION_SESSION:
    return take_session(optarg, options->session, error);
  case OPTION_PORT:
    return take_port("port", optarg, &options->port, error);
  case OPTION_HTTP_PORT:
    return take_port("http-port", optarg, &options->http_port, error);
  case 'o':
    options->file = optarg;
    return 0;
  case OPTION_LEAVE:
    options->leave = true;
    return 0;
  case OPTION_DIRECT:
    options->direct = true;
    return 0;
  case OPTION_JSON:
    options->json = true;
    return 0;
  case OPTION_HELP:
    fputs(help, stdout);
    return 1;
  case OPTION_VERSION:
    puts("copse-peer " COPSE_VERSION);
    return 1;
  default:
    return copse_fail(error, -EINVAL, "unknown or incomplete option; --help lists them all");
  }
}

static int
take_words(int count, char **words, struct options *options, struct copse_error *error) {
  bool share = count > 0 && !strcmp(words[0], "share"), get = count > 0 && !strcmp(words[0], "get");

  if (!share && !get)
    return copse_fail(error, -EINVAL, "say `share FILE` or `get SESSION`; --help tells more");
  if (count != 2)
    return copse_fail(error, -EINVAL, "%s needs one %s", words[0], share ? "file" : "session");
  options->command = share ? COMMAND_SHARE : COMMAND_GET;
  if (get && options->session[0])
    return copse_fail(error, -EINVAL, "--session is for share; get has its session as an argument");
  if (share && (options->file || options->leave))
    return copse_fail(error, -EINVAL, "--output and --leave are for get");
  if (get)
    return take_session(words[1], options->session, error);
  options->file = words[1];
  return 0;
}

static int
check_complete(const struct options *options, struct copse_error *error) {
  const char *missing = !options->pops.count ? "--pop"
                        : !options->token    ? "--token or --token-file"
                        : !options->address  ? "--address"
                        : !options->up_bps   ? "--up"
                        : !options->down_bps ? "--down"
                                             : NULL;

  return missing ? copse_fail(error, -EINVAL, "%s is missing; --help tells more", missing) : 0;
}

int
options_parse(int argc, char **argv, struct options *options, struct copse_error *error) {
  int option, status;

  *options = (struct options){0};
  opterr = 0;
  while ((option = getopt_long(argc, argv, "o:", table, NULL)) != -1) {
    status = take_option(option, options, error);
    if (status != 0)
      return status;
  }
  status = take_words(argc - optind, argv + optind, options, error);
  return status != 0 ? status : check_complete(options, error);
}

void
options_free(struct options *options) {
  pops_free(&options->pops);
  free(options->token);
}
