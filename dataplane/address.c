/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in the configuration that name something: devices, IP addresses, MACs. */
#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

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
    return copse_device_argument(port->device, "iface", out, size);
  return (size_t)snprintf(out, size, "%s", port->interface) < size;
}

bool
copse_device_is_pci(const char *device) {
  unsigned domain, bus, slot, function;
  int end = 0;

  if (sscanf(device, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 || !end) {
    end = 0;
    if (sscanf(device, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || !end)
      return false;
  }
  return device[end] == '\0' || device[end] == ',';
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
  for (int i = 0; i < 6; i++, text += 3) {
    unsigned byte;
    if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) || text[2] != (i < 5 ? ':' : '\0') ||
        sscanf(text, "%2x", &byte) != 1)
      return false;
    out[i] = (uint8_t)byte;
  }
  return copse_mac_is_usable(out);
}
