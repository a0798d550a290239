/* SPDX-License-Identifier: Apache-2.0 */
/* One operation of a batch: checked as bytes and as meaning, then staged. */
#ifndef COPSE_OPERATIONS_H
#define COPSE_OPERATIONS_H

#include "table/model.h"

/* Applies one record of `kind` to the model. `bytes` may be unaligned. Returns 0, or a negative errno with a sentence
 * in `text`; the caller rolls back. */
int copse_operation_apply(struct copse_table *table, uint16_t kind, const uint8_t *bytes, size_t length,
                          char text[COPSE_ERROR_BYTES]);

/* Writes the sentence and returns `status`. */
int copse_refuse(char text[COPSE_ERROR_BYTES], int status, const char *format, ...)
  __attribute__((format(printf, 3, 4)));

/* The operations by object; each with the length of its bytes already checked against its fixed part. */
int copse_link_set(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);
int copse_link_remove(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);
int copse_member_set(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);
int copse_member_remove(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);
int copse_tree_set(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);
int copse_tree_remove(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);
int copse_allowance(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);
int copse_interest(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);
int copse_target_set(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);
int copse_target_remove(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);

/* Checks that several of them share. */
int copse_check_slot(const struct copse_table *table, enum copse_object object, uint32_t slot, char *text);
int copse_check_present(const struct copse_table *table, enum copse_object object, uint32_t slot, char *text);
int copse_check_endpoint(const struct copse_table *table, const struct copse_endpoint *endpoint, char *text);
/* Of a `what`: 1 to COPSE_NAME_BYTES - 1 printable letters and a 0. */
int copse_check_name(const char name[COPSE_NAME_BYTES], const char *what, char *text);
int copse_check_rate(uint64_t bits_per_second, uint32_t burst_us, char *text);
/* `own` is the label the slot has already, or COPSE_LABEL_NONE. */
int copse_check_label(const struct copse_table *table, uint32_t label, uint32_t own, char *text);
int copse_check_id(const struct copse_table *table, enum copse_object object, uint64_t id, uint32_t slot, char *text);

#endif
