/* SPDX-License-Identifier: Apache-2.0 */
/* Between model.c and model_session.c. */
#ifndef COPSE_MODEL_KEYS_H
#define COPSE_MODEL_KEYS_H

#include "model.h"

/* The object with this name, made of zeros when missing; null when memory is short. The name fits. */
void *copse_entry(struct copse_set *set, const char *name, size_t bytes);
/* `key` begins after "/sessions/". */
int copse_model_apply_session(struct copse_model *model, const char *key, const char *text, json_t *value,
                              uint64_t revision);
void copse_model_session_free(void *object);

#endif
