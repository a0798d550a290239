/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on targets of measurement. Workers see nothing of them; stamp/ does, on the main thread. */
#include "table/addresses.h"
#include "table/operations.h"

#include <stdlib.h>

/* Answers are found by address. */
static int
check_alone(const struct copse_table *table, const struct copse_api_target *api, char *text) {
  const uint32_t holder = copse_table_target_at(table, api->remote.address);

  if (holder != COPSE_SLOT_NONE && holder != api->slot)
    return copse_refuse(text, -EEXIST, "the address is that of the target in slot %u already", holder);
  return 0;
}

static int
check_interval(uint32_t interval_us, char *text) {
  if (interval_us != 0 && (interval_us < COPSE_TARGET_INTERVAL_MIN_US || interval_us > COPSE_TARGET_INTERVAL_MAX_US))
    return copse_refuse(text, -EINVAL, "an interval of %u us is not within %d and %d", interval_us,
                        COPSE_TARGET_INTERVAL_MIN_US, COPSE_TARGET_INTERVAL_MAX_US);
  return 0;
}

int
copse_target_set(struct copse_table *table, const uint8_t *bytes, size_t length, char *text) {
  struct copse_target_record *target;
  struct copse_api_target api;
  int status;

  (void)length;
  memcpy(&api, bytes, sizeof(api));
  memset(api.remote.reserved, 0, sizeof(api.remote.reserved));
  api.reserved = 0;
  if ((status = copse_check_slot(table, COPSE_TARGET, api.slot, text)) < 0 ||
      (status = check_interval(api.interval_us, text)) < 0 || (status = check_interval(api.doubt_us, text)) < 0 ||
      (status = copse_check_endpoint(table, &api.remote, text)) < 0 ||
      (status = copse_check_name(api.name, "target", text)) < 0 || (status = check_alone(table, &api, text)) < 0 ||
      (status = copse_journal_reserve(table)) < 0)
    return status;
  const size_t name = strlen(api.name);
  memset(api.name + name, 0, sizeof(api.name) - name);
  if ((target = calloc(1, sizeof(*target))) == NULL)
    return -ENOMEM;
  target->api = api;
  copse_stage(table, COPSE_TARGET, api.slot, &target->base);
  return 0;
}

int
copse_target_remove(struct copse_table *table, const uint8_t *bytes, size_t length, char *text) {
  struct copse_api_slot api;
  int status;

  (void)length;
  memcpy(&api, bytes, sizeof(api));
  if ((status = copse_check_present(table, COPSE_TARGET, api.slot, text)) < 0 ||
      (status = copse_journal_reserve(table)) < 0)
    return status;
  copse_stage(table, COPSE_TARGET, api.slot, NULL);
  return 0;
}

const struct copse_api_target *
copse_table_target(const struct copse_table *table, uint32_t slot) {
  const struct copse_target_record *target = copse_target_at(table, slot);

  return target != NULL ? &target->api : NULL;
}

uint32_t
copse_table_target_at(const struct copse_table *table, const uint8_t address[16]) {
  return copse_map_find(&table->ids[COPSE_TARGET], copse_address_key(address));
}
