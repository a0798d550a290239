/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on links and members. */
#include "table/operations.h"

#include <stdlib.h>

static uint32_t
slot_of(const uint8_t *bytes) {
  struct copse_api_slot slot;

  memcpy(&slot, bytes, sizeof(slot));
  return slot.slot;
}

/* Stages null after checking that nothing refers to the slot. */
static int
remove_unused(struct copse_table *table, enum copse_object object, uint32_t slot, char *text) {
  int status;

  if ((status = copse_check_present(table, object, slot, text)) < 0)
    return status;
  if (table->users[object][slot] > 0)
    return copse_refuse(text, -EBUSY, "slot %u is a next hop of %u trees", slot, table->users[object][slot]);
  if ((status = copse_journal_reserve(table)) < 0)
    return status;
  copse_stage(table, object, slot, NULL);
  return 0;
}

int
copse_link_set(struct copse_table *table, const uint8_t *bytes, size_t length, char *text) {
  struct copse_api_link api;
  int status;

  (void)length;
  memcpy(&api, bytes, sizeof(api));
  memset(api.remote.reserved, 0, sizeof(api.remote.reserved));
  if ((status = copse_check_slot(table, COPSE_LINK, api.slot, text)) < 0 ||
      (status = copse_check_rate(api.budget_bps, api.burst_us, text)) < 0 ||
      (status = copse_check_endpoint(table, &api.remote, text)) < 0 ||
      (status = copse_check_name(api.name, "link", text)) < 0 || (status = copse_journal_reserve(table)) < 0)
    return status;
  const size_t name = strlen(api.name);
  memset(api.name + name, 0, sizeof(api.name) - name);

  const struct copse_link_record *old = copse_link_at(table, api.slot);
  struct copse_link_record *link = calloc(1, sizeof(*link));
  if (link == NULL)
    return -ENOMEM;
  link->base.incarnation = old ? old->base.incarnation : ++table->incarnations;
  link->api = api;
  copse_stage(table, COPSE_LINK, api.slot, &link->base);
  return 0;
}

int
copse_link_remove(struct copse_table *table, const uint8_t *bytes, size_t length, char *text) {
  (void)length;
  return remove_unused(table, COPSE_LINK, slot_of(bytes), text);
}

/* The same peer at the same, possibly proven, address. */
static bool
same_member(const struct copse_api_member *a, const struct copse_api_member *b) {
  return a->id == b->id && a->label == b->label && memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

int
copse_member_set(struct copse_table *table, const uint8_t *bytes, size_t length, char *text) {
  struct copse_api_member api;
  int status;

  (void)length;
  memcpy(&api, bytes, sizeof(api));
  memset(api.address.reserved, 0, sizeof(api.address.reserved));
  if ((status = copse_check_slot(table, COPSE_MEMBER, api.slot, text)) < 0)
    return status;
  const struct copse_member_record *old = copse_member_at(table, api.slot);
  if ((status = copse_check_id(table, COPSE_MEMBER, api.id, api.slot, text)) < 0 ||
      (status = copse_check_label(table, api.label, old ? old->api.label : COPSE_LABEL_NONE, text)) < 0 ||
      (status = copse_check_rate(api.egress_bps, api.burst_us, text)) < 0 ||
      (status = copse_check_endpoint(table, &api.address, text)) < 0 ||
      (api.send_tree != COPSE_SLOT_NONE && (status = copse_check_slot(table, COPSE_TREE, api.send_tree, text)) < 0) ||
      (status = copse_journal_reserve(table)) < 0)
    return status;

  struct copse_member_record *member = calloc(1, sizeof(*member));
  if (member == NULL)
    return -ENOMEM;
  const bool same = old && same_member(&old->api, &api);
  member->base.incarnation = same ? old->base.incarnation : ++table->incarnations;
  member->interest = same ? copse_interest_hold(old->interest) : NULL;
  member->api = api;
  copse_stage(table, COPSE_MEMBER, api.slot, &member->base);
  return 0;
}

int
copse_member_remove(struct copse_table *table, const uint8_t *bytes, size_t length, char *text) {
  (void)length;
  return remove_unused(table, COPSE_MEMBER, slot_of(bytes), text);
}
