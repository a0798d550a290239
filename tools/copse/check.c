/* SPDX-License-Identifier: Apache-2.0 */
/* config check: the program a configuration is for reads it. */
#include "command.h"
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Which program a configuration is for, by the first key at its top that only one of them has. */
static const char *
program_of(const char *path, struct copse_error *error) {
  static const char *const keys[][2] = {{"pop", "copse-controlplane"},   {"block_address", "copse-controlplane"},
                                        {"ports", "copse-dataplane"},    {"api_socket", "copse-dataplane"},
                                        {"address4", "copse-dataplane"}, {"address6", "copse-dataplane"},
                                        {"session", "copse-trees"},      {"endpoint", "copse"},
                                        {"token_file", "copse"}};
  const char *program = NULL;
  char line[512];
  FILE *file = fopen(path, "re");

  if (file == NULL) {
    copse_fail(error, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    return NULL;
  }
  while (program == NULL && fgets(line, sizeof(line), file) != NULL)
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && program == NULL; i++) {
      size_t length = strlen(keys[i][0]);
      const char *rest = strncmp(line, keys[i][0], length) == 0 ? line + length + strspn(line + length, " \t") : "";

      if (*rest == '=' || *rest == ':')
        program = keys[i][1];
    }
  fclose(file);
  if (program == NULL)
    copse_fail(
      error, -EINVAL,
      "%s: neither a control plane's nor a dataplane's configuration: no line begins with pop = or ports =", path);
  return program;
}

/* The program itself reads its configuration; what it prints is the answer. */
static int
check_with(const char *program, const char *path, struct copse_error *error) {
  pid_t child = fork();
  int status;

  if (child < 0)
    return copse_fail(error, -errno, "%s cannot be started: %s", program, strerror(errno));
  if (child == 0) {
    if (strcmp(program, "copse-controlplane") == 0)
      execlp(program, program, "--check", "--config", path, (char *)NULL);
    else if (strcmp(program, "copse-dataplane") == 0)
      execlp(program, program, "--check", path, (char *)NULL);
    else
      execlp("sh", "sh", "-c", "exec copse-trees \"$1\" >/dev/null", "sh", path, (char *)NULL);
    _exit(127);
  }
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      return copse_fail(error, -errno, "%s is lost: %s", program, strerror(errno));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return copse_fail(error, -ESRCH, "%s, which could check it, is not in PATH", program);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return copse_fail(error, -EINVAL, "%s: %s refuses it", path, program);
  return 0;
}

static int
check_own(const char *path, struct copse_error *error) {
  struct settings settings = {.endpoint = NULL};
  int result = settings_read_file(&settings, path, NULL, error);

  settings_free(&settings);
  return result;
}

int
run_config(struct context *context, struct copse_error *error) {
  const char *path = context->word_count == 2 ? context->words[1] : "", *program;
  int result;

  if (context->word_count != 2 || strcmp(context->words[0], "check") != 0)
    return copse_fail(error, -EINVAL, "say config check FILE");
  program = program_of(path, error);
  if (program == NULL)
    return -EINVAL;
  result = strcmp(program, "copse") == 0 ? check_own(path, error) : check_with(program, path, error);
  if (result != 0)
    return result;
  if (context->json)
    return print_json(json_pack("{s:b, s:s, s:s}", "valid", 1, "program", program, "file", path), error);
  printf("%s: %s takes it\n", path, program);
  return 0;
}
