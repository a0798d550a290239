/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in the configuration that name something: devices, IP addresses, MACs. */
#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

bool
copse_device_argument(const char *device, const char *key, char *out, size_t size) {
  size_t key_length = strlen(key);

  for (const char *argument = strchr(device, ','); argument; argument = strchr(argument, ',')) {
    argument++;
    if (strncmp(argument, key, key_length) == 0 && argument[key_length] == '=') {
      const char *value = argument + key_length + 1;
      size_t length = strcspn(value, ",");
      if (!length || length >= size)
        return false;
      memcpy(out, value, length);
      out[length] = '\0';
      return true;
    }
  }
  return false;
}

bool
copse_port_interface(const struct copse_port_config *port, char *out, size_t size) {
  if (!port->interface)
    return copse_device_argument(port->device, "iface", out, size) && !strchr(out, '/'); /* a socket's path */
  return (size_t)snprintf(out, size, "%s", port->interface) < size;
}

/* Steps over hexadecimal digits and the character behind them; false if there are not so many. */
static bool
skip_hex(const char **text, int digits, char behind) {
  for (int i = 0; i < digits; i++)
    if (!isxdigit((unsigned char)*(*text)++))
      return false;
  return *(*text)++ == behind;
}

bool
copse_device_is_pci(const char *device) {
  const char *domain = device, *rest = device;

  if (skip_hex(&domain, 4, ':'))
    rest = domain;
  if (!skip_hex(&rest, 2, ':') || !skip_hex(&rest, 2, '.') || !isxdigit((unsigned char)*rest))
    return false;
  return rest[1] == '\0' || rest[1] == ',';
}

int
copse_address_parse(const char *text, uint8_t out[16]) {
  memset(out, 0, 16);
  if (inet_pton(AF_INET, text, out + 12) == 1) {
    out[10] = out[11] = 0xff;
    return AF_INET;
  }
  return inet_pton(AF_INET6, text, out) == 1 ? AF_INET6 : 0;
}

bool
copse_mac_is_usable(const uint8_t mac[6]) {
  static const uint8_t zero[6];

  return !(mac[0] & 1) && memcmp(mac, zero, 6) != 0;
}

bool
copse_mac_parse(const char *text, uint8_t out[6]) {
  for (int i = 0; i < 6; i++) {
    const char *byte = text;
    if (!skip_hex(&text, 2, i < 5 ? ':' : '\0'))
      return false;
    out[i] = (uint8_t)strtoul(byte, NULL, 16);
  }
  return copse_mac_is_usable(out);
}
