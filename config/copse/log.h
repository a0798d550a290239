/* SPDX-License-Identifier: Apache-2.0 */
/* Lines to standard error: level, then the sentence; with a time when not under systemd. Never called on a worker. */
#ifndef COPSE_LOG_H
#define COPSE_LOG_H

enum copse_log_level { COPSE_LOG_ERROR, COPSE_LOG_WARNING, COPSE_LOG_INFO, COPSE_LOG_DEBUG };

/* Lines above this level are not printed. Default: COPSE_LOG_INFO. */
void copse_log_set_level(enum copse_log_level level);
/* Prefix of every line, e.g. the PoP's name. The string is copied. */
void copse_log_set_name(const char *name);
void copse_log(enum copse_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
