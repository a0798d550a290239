/* SPDX-License-Identifier: Apache-2.0 */
#include "table/operations.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
  const char *name;
  size_t fixed; /* bytes of the record without what follows it */
  int (*apply)(struct copse_table *table, const uint8_t *bytes, size_t length, char *text);
} kinds[] = {
  [COPSE_API_LINK_SET] = {"link", sizeof(struct copse_api_link), copse_link_set},
  [COPSE_API_LINK_REMOVE] = {"link removal", sizeof(struct copse_api_slot), copse_link_remove},
  [COPSE_API_MEMBER_SET] = {"member", sizeof(struct copse_api_member), copse_member_set},
  [COPSE_API_MEMBER_REMOVE] = {"member removal", sizeof(struct copse_api_slot), copse_member_remove},
  [COPSE_API_TREE_SET] = {"tree", sizeof(struct copse_api_tree), copse_tree_set},
  [COPSE_API_TREE_REMOVE] = {"tree removal", sizeof(struct copse_api_slot), copse_tree_remove},
  [COPSE_API_ALLOWANCE] = {"allowance", sizeof(struct copse_api_allowance), copse_allowance},
  [COPSE_API_INTEREST] = {"interest", sizeof(struct copse_api_interest), copse_interest},
  [COPSE_API_TARGET_SET] = {"target", sizeof(struct copse_api_target), copse_target_set},
  [COPSE_API_TARGET_REMOVE] = {"target removal", sizeof(struct copse_api_slot), copse_target_remove},
};

static const char *const object_names[] = {"link", "member", "tree", "target"};

int
copse_refuse(char text[COPSE_ERROR_BYTES], int status, const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(text, COPSE_ERROR_BYTES, format, arguments);
  va_end(arguments);
  return status;
}

int
copse_operation_apply(struct copse_table *table, uint16_t kind, const uint8_t *bytes, size_t length,
                      char text[COPSE_ERROR_BYTES]) {
  if (kind >= sizeof(kinds) / sizeof(*kinds) || kinds[kind].apply == NULL)
    return copse_refuse(text, -EOPNOTSUPP, "unknown operation %u", kind);
  if (length < kinds[kind].fixed)
    return copse_refuse(text, -EINVAL, "%s: %zu bytes are fewer than the %zu of its record", kinds[kind].name, length,
                        kinds[kind].fixed);
  return kinds[kind].apply(table, bytes, length, text);
}

int
copse_check_slot(const struct copse_table *table, enum copse_object object, uint32_t slot, char *text) {
  if (slot >= table->counts[object])
    return copse_refuse(text, -ERANGE, "%s slot %u is beyond the limit of %u", object_names[object], slot,
                        table->counts[object]);
  return 0;
}

int
copse_check_present(const struct copse_table *table, enum copse_object object, uint32_t slot, char *text) {
  const int status = copse_check_slot(table, object, slot, text);

  if (status == 0 && table->records[object][slot] == NULL)
    return copse_refuse(text, -ENOENT, "there is no %s in slot %u", object_names[object], slot);
  return status;
}

int
copse_check_endpoint(const struct copse_table *table, const struct copse_endpoint *endpoint, char *text) {
  struct in6_addr address;
  bool absent;

  memcpy(&address, endpoint->address, sizeof(address));
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&address);
  const uint8_t first = address.s6_addr[12];

  if (endpoint->port == 0)
    return copse_refuse(text, -EINVAL, "an address without a port");
  if (mapped ? first == 0 || first >= 224 : IN6_IS_ADDR_UNSPECIFIED(&address) || IN6_IS_ADDR_MULTICAST(&address))
    return copse_refuse(text, -EINVAL, "an address that is not a unicast address");
  absent = (mapped ? &table->config.local4 : &table->config.local6)->port == 0;
  if (absent)
    return copse_refuse(text, -EAFNOSUPPORT, "this dataplane has no IPv%d address", mapped ? 4 : 6);
  return 0;
}

int
copse_check_name(const char name[COPSE_NAME_BYTES], const char *what, char *text) {
  const size_t length = strnlen(name, COPSE_NAME_BYTES);

  if (length == 0 || length == COPSE_NAME_BYTES)
    return copse_refuse(text, -EINVAL, "a %s's name has 1 to %d bytes and a 0", what, COPSE_NAME_BYTES - 1);
  for (size_t i = 0; i < length; i++)
    if (!isgraph((unsigned char)name[i]))
      return copse_refuse(text, -EINVAL, "a %s's name has a byte that is not a printable letter", what);
  return 0;
}

int
copse_check_rate(uint64_t bits_per_second, uint32_t burst_us, char *text) {
  if (bits_per_second == 0)
    return 0;
  if (bits_per_second < COPSE_RATE_MIN_BPS || bits_per_second > COPSE_RATE_MAX_BPS)
    return copse_refuse(text, -EINVAL, "a rate of %llu bit/s is not within %d and %llu",
                        (unsigned long long)bits_per_second, COPSE_RATE_MIN_BPS, COPSE_RATE_MAX_BPS);
  if (burst_us < COPSE_BURST_MIN_US || burst_us > COPSE_BURST_MAX_US)
    return copse_refuse(text, -EINVAL, "a burst of %u us is not within %d and %d", burst_us, COPSE_BURST_MIN_US,
                        COPSE_BURST_MAX_US);
  return 0;
}

int
copse_check_label(const struct copse_table *table, uint32_t label, uint32_t own, char *text) {
  const uint32_t slot = copse_label_slot(label);

  if (label == COPSE_LABEL_NONE || slot >= table->config.limits.labels)
    return copse_refuse(text, -ERANGE, "label slot %u is beyond the limit of %u", slot, table->config.limits.labels);
  if (table->label_used[slot] && (own == COPSE_LABEL_NONE || copse_label_slot(own) != slot))
    return copse_refuse(text, -EEXIST, "label slot %u is in use", slot);
  return 0;
}

int
copse_check_id(const struct copse_table *table, enum copse_object object, uint64_t id, uint32_t slot, char *text) {
  const uint32_t holder = copse_map_find(&table->ids[object], (struct copse_map_key){{id, 0}});

  if (id == 0)
    return copse_refuse(text, -EINVAL, "a %s's id is 0", object_names[object]);
  if (holder != COPSE_MAP_NONE && holder != slot)
    return copse_refuse(text, -EEXIST, "%s id %llx is in slot %u already", object_names[object], (unsigned long long)id,
                        holder);
  return 0;
}
