/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal as a screen on which whole pictures are shown, one over the other, until somebody ends it. */
#ifndef COPSE_SCREEN_H
#define COPSE_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

/* Takes the terminal: the other screen, keys one by one. */
void screen_open(void);
/* Gives the terminal back as it was. */
void screen_close(void);
/* Of the terminal now. */
void screen_size(size_t *rows, size_t *columns);
/* Lines of text, cut at the edges of the screen. Escape sequences for colour are not cut. */
void screen_show(const char *text);
/* Until a time has passed or the terminal has another size; `q`, the end of input and signals end the screen. */
void screen_wait(double seconds);
/* It was ended. */
bool screen_ended(void);

#endif
