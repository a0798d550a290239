/* SPDX-License-Identifier: Apache-2.0 */
/* Between model.c, model_session.c and model_outlets.c. */
#ifndef COPSE_MODEL_KEYS_H
#define COPSE_MODEL_KEYS_H

#include "model.h"

/* The object with this name, made of zeros when missing; null when memory is short. The name fits. */
void *copse_entry(struct copse_set *set, const char *name, size_t bytes);
/* `key` begins after "/sessions/". */
int copse_model_apply_session(struct copse_model *model, const char *key, const char *text, json_t *value,
                              uint64_t revision);
void copse_model_session_free(void *object);

/* The link's object, made when missing; null when memory is short. */
struct copse_link *copse_model_link_entry(struct copse_model *model, const char *from, const char *to);
/* Forgets a link of which the store says nothing any more. */
void copse_model_link_sweep(struct copse_model *model, struct copse_link *link);
/* One PoP more, or less, has reservations for the session. -ENOMEM. */
int copse_model_count_outlet(struct copse_model *model, const char *session, int by);

int copse_model_apply_reserved(struct copse_model *model, const char *pop, json_t *value, uint64_t revision);
int copse_model_apply_budgets(struct copse_model *model, const char *pop, const json_t *value, uint64_t revision);
void copse_model_outlet_free(void *object);

#endif
