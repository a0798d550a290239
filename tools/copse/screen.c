/* SPDX-License-Identifier: Apache-2.0 */
#include "screen.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ROWS_DEFAULT 50
#define COLUMNS_DEFAULT 132

#define ENTER "\x1b[?1049h\x1b[?25l" /* the other screen, without cursor */
#define LEAVE "\x1b[?25h\x1b[?1049l"
#define HOME "\x1b[H"
#define CLEAR_LINE "\x1b[K"
#define CLEAR_BELOW "\x1b[J"

static volatile sig_atomic_t ended;
static struct termios before;
static bool has_keys; /* there is a terminal to read from */

static void
on_signal(int number) {
  if (number != SIGWINCH) /* which has interrupted the wait */
    ended = 1;
}

static bool
take_keys(void) {
  struct termios raw;

  if (tcgetattr(STDIN_FILENO, &before) != 0)
    return false;
  raw = before;
  raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void
screen_open(void) {
  const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
  const struct sigaction action = {.sa_handler = on_signal};

  for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
    sigaction(signals[i], &action, NULL);
  has_keys = take_keys();
  fputs(ENTER, stdout);
}

void
screen_close(void) {
  fputs(LEAVE, stdout);
  fflush(stdout);
  if (has_keys)
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void
screen_size(size_t *rows, size_t *columns) {
  struct winsize size = {0};
  bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;

  *rows = known ? size.ws_row : ROWS_DEFAULT;
  *columns = known ? size.ws_col : COLUMNS_DEFAULT;
}

static void
put_line(const char *line, size_t length, size_t columns) {
  size_t used = 0;

  for (size_t i = 0; i < length; i++) {
    if (line[i] == '\x1b') {
      size_t end = i;
      while (end < length && line[end] != 'm')
        end++;
      fwrite(line + i, 1, end - i + 1, stdout);
      i = end;
      continue;
    }
    if (((unsigned char)line[i] & 0xc0) != 0x80)
      used++;
    if (used <= columns)
      putchar(line[i]);
  }
}

void
screen_show(const char *text) {
  size_t rows, columns;

  screen_size(&rows, &columns);
  fputs(HOME, stdout);
  for (size_t row = 0; row < rows && *text != '\0'; row++) {
    size_t length = strcspn(text, "\n");

    if (row > 0)
      fputs("\r\n", stdout);
    put_line(text, length, columns);
    fputs(CLEAR_LINE, stdout);
    text += length + (text[length] == '\n');
  }
  fputs(CLEAR_BELOW, stdout);
  fflush(stdout);
}

void
screen_wait(double seconds) {
  struct pollfd input = {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN};
  char key;

  if (poll(&input, 1, (int)(seconds * 1000)) == 1 && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
    ended = 1;
}

bool
screen_ended(void) {
  return ended;
}
