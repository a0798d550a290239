/* SPDX-License-Identifier: Apache-2.0 */
#include "records.h"
#include <arpa/inet.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>

void
copse_copy(char *out, size_t size, const char *text) {
  size_t length = strnlen(text, size - 1);

  memcpy(out, text, length);
  out[length] = '\0';
}

bool
copse_json_number(const json_t *object, const char *name, uint64_t *out) {
  const json_t *value = json_object_get(object, name);
  double number;

  if (json_is_integer(value) && json_integer_value(value) >= 0) {
    *out = (uint64_t)json_integer_value(value);
    return true;
  }
  number = json_is_real(value) ? json_real_value(value) : -1;
  if (!(number >= 0 && number < 9e15) || floor(number) != number)
    return false;
  *out = (uint64_t)number;
  return true;
}

uint64_t
copse_json_number_or(const json_t *object, const char *name, uint64_t otherwise) {
  uint64_t number;

  return copse_json_number(object, name, &number) ? number : otherwise;
}

bool
copse_json_text(const json_t *object, const char *name, char *out, size_t size) {
  const json_t *value = json_object_get(object, name);

  if (!json_is_string(value) || json_string_length(value) >= size ||
      strlen(json_string_value(value)) != json_string_length(value))
    return false;
  copse_copy(out, size, json_string_value(value));
  return true;
}

bool
copse_json_hex(const json_t *object, const char *name, void *out, size_t bytes) {
  const json_t *value = json_object_get(object, name);
  size_t length;

  return json_is_string(value) && json_string_length(value) == 2 * bytes &&
         sodium_hex2bin(out, bytes, json_string_value(value), 2 * bytes, NULL, &length, NULL) == 0 && length == bytes;
}

void
copse_hex(const void *bytes, size_t count, char *out) {
  sodium_bin2hex(out, 2 * count + 1, bytes, count);
}

bool
copse_endpoint_parse(const char *address, uint16_t port, struct copse_endpoint *out) {
  *out = (struct copse_endpoint){.port = htons(port)};
  if (inet_pton(AF_INET, address, out->address + 12) == 1) {
    out->address[10] = out->address[11] = 0xff;
    return true;
  }
  return inet_pton(AF_INET6, address, out->address) == 1;
}

void
copse_endpoint_text(const struct copse_endpoint *endpoint, char out[COPSE_ADDRESS_BYTES]) {
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

  if (memcmp(endpoint->address, mapped, sizeof(mapped)) == 0)
    inet_ntop(AF_INET, endpoint->address + 12, out, COPSE_ADDRESS_BYTES);
  else
    inet_ntop(AF_INET6, endpoint->address, out, COPSE_ADDRESS_BYTES);
}

static bool
read_port(const json_t *json, const char *name, uint16_t *out) {
  uint64_t port;

  if (!copse_json_number(json, name, &port) || port == 0 || port > UINT16_MAX)
    return false;
  *out = (uint16_t)port;
  return true;
}

static bool
read_label(const json_t *json, uint32_t *out) {
  uint64_t label;

  if (!copse_json_number(json, "label", &label) || label > UINT32_MAX)
    return false;
  *out = (uint32_t)label;
  return true;
}

bool
copse_pop_read(const json_t *json, struct copse_pop_record *out) {
  char address[COPSE_ADDRESS_BYTES];
  uint16_t port;

  out->stamp_port = 0;
  out->fan_out = copse_json_number_or(json, "fan_out", 0);
  return copse_json_text(json, "address", address, sizeof(address)) && read_port(json, "port", &port) &&
         (json_object_get(json, "stamp_port") == NULL || read_port(json, "stamp_port", &out->stamp_port)) &&
         copse_endpoint_parse(address, port, &out->endpoint) &&
         copse_json_text(json, "api", out->api, sizeof(out->api)) && copse_json_number(json, "lease", &out->lease);
}

json_t *
copse_pop_write(const struct copse_pop_record *pop) {
  char address[COPSE_ADDRESS_BYTES];

  copse_endpoint_text(&pop->endpoint, address);
  return json_pack("{s:s, s:i, s:o*, s:s, s:I, s:I}", "address", address, "port", (int)ntohs(pop->endpoint.port),
                   "stamp_port", pop->stamp_port == 0 ? NULL : json_integer(pop->stamp_port), "api", pop->api,
                   "fan_out", (json_int_t)pop->fan_out, "lease", (json_int_t)pop->lease);
}

bool
copse_link_read(const json_t *json, struct copse_link_record *out) {
  out->delay_ms = json_number_value(json_object_get(json, "delay_ms"));
  out->overridden = copse_json_number(json, "budget_bps", &out->bandwidth_bps);
  if (!out->overridden)
    copse_json_number(json, "bandwidth_bps", &out->bandwidth_bps);
  return copse_json_number(json, "bandwidth_bps", &out->configured_bps) &&
         copse_json_text(json, "by", out->by, sizeof(out->by));
}

json_t *
copse_link_write(const struct copse_link_record *link) {
  json_t *json = json_pack("{s:I, s:f, s:s}", "bandwidth_bps", (json_int_t)link->configured_bps, "delay_ms",
                           link->delay_ms, "by", link->by);

  if (link->overridden)
    json_object_set_new(json, "budget_bps", json_integer((json_int_t)link->bandwidth_bps));
  return json;
}

const char *
copse_measured_state(const struct copse_measured_record *measured) {
  if (measured->capacity_percent == 0)
    return "down";
  return measured->capacity_percent < 100 ? "degraded" : "up";
}

bool
copse_measured_read(const json_t *json, struct copse_measured_record *out) {
  out->heard = json_is_true(json_object_get(json, "heard"));
  out->loss = json_number_value(json_object_get(json, "loss"));
  out->delay_ms = json_number_value(json_object_get(json, "delay_ms"));
  out->jitter_ms = json_number_value(json_object_get(json, "jitter_ms"));
  return copse_json_number(json, "capacity_percent", &out->capacity_percent) && out->capacity_percent <= 100;
}

json_t *
copse_measured_write(const struct copse_measured_record *measured) {
  return json_pack("{s:s, s:I, s:b, s:f, s:f, s:f}", "state", copse_measured_state(measured), "capacity_percent",
                   (json_int_t)measured->capacity_percent, "heard", measured->heard, "loss", measured->loss, "delay_ms",
                   measured->delay_ms, "jitter_ms", measured->jitter_ms);
}

bool
copse_stamp_read(const json_t *json, struct copse_stamp_record *out) {
  return copse_json_hex(json, "key", out->key, sizeof(out->key));
}

json_t *
copse_stamp_write(const struct copse_stamp_record *stamp) {
  char key[2 * COPSE_KEY_BYTES + 1];

  copse_hex(stamp->key, sizeof(stamp->key), key);
  return json_pack("{s:s}", "key", key);
}

bool
copse_egress_read(const json_t *json, struct copse_egress_record *out) {
  return copse_json_number(json, "egress_bps", &out->egress_bps) &&
         copse_json_text(json, "by", out->by, sizeof(out->by));
}

json_t *
copse_egress_write(const struct copse_egress_record *egress) {
  return json_pack("{s:I, s:s}", "egress_bps", (json_int_t)egress->egress_bps, "by", egress->by);
}

bool
copse_member_read(const json_t *json, struct copse_member_record *out) {
  struct copse_endpoint endpoint;
  const json_t *seed = json_object_get(json, "seed");

  out->seed = json_is_true(seed);
  out->direct = json_is_true(json_object_get(json, "direct"));
  return json_is_boolean(seed) && copse_json_text(json, "pop", out->pop, sizeof(out->pop)) &&
         copse_json_text(json, "account", out->account, sizeof(out->account)) &&
         copse_json_text(json, "address", out->address, sizeof(out->address)) && read_port(json, "port", &out->port) &&
         read_port(json, "http_port", &out->http_port) && copse_endpoint_parse(out->address, out->port, &endpoint) &&
         copse_json_number(json, "uplink_bps", &out->uplink_bps) &&
         copse_json_number(json, "downlink_bps", &out->downlink_bps) &&
         copse_json_hex(json, "key", out->key, sizeof(out->key)) && read_label(json, &out->label);
}

json_t *
copse_member_write(const struct copse_member_record *member) {
  char key[2 * COPSE_KEY_BYTES + 1];

  copse_hex(member->key, sizeof(member->key), key);
  return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:b, s:b, s:s, s:I}", "pop", member->pop, "account",
                   member->account, "address", member->address, "port", (int)member->port, "http_port",
                   (int)member->http_port, "uplink_bps", (json_int_t)member->uplink_bps, "downlink_bps",
                   (json_int_t)member->downlink_bps, "seed", member->seed, "direct", member->direct, "key", key,
                   "label", (json_int_t)member->label);
}

bool
copse_progress_read(const json_t *json, struct copse_progress *out) {
  out->done = json_is_true(json_object_get(json, "done"));
  out->busy = json_is_true(json_object_get(json, "busy"));
  out->unproven = json_is_true(json_object_get(json, "unproven"));
  out->in_bps = copse_json_number_or(json, "in_bps", 0);
  out->out_bps = copse_json_number_or(json, "out_bps", 0);
  out->loss_ppm = copse_json_number_or(json, "loss_ppm", 0);
  return copse_json_number(json, "have", &out->have) && copse_json_number(json, "cdn_bytes", &out->cdn_bytes) &&
         copse_json_number(json, "direct_bytes", &out->direct_bytes) &&
         copse_json_number(json, "sent_bytes", &out->sent_bytes) && copse_json_number(json, "cdn_bps", &out->cdn_bps) &&
         copse_json_number(json, "direct_bps", &out->direct_bps);
}

json_t *
copse_progress_write(const struct copse_progress *progress) {
  return json_pack("{s:I, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "have", (json_int_t)progress->have,
                   "done", progress->done, "busy", progress->busy, "cdn_bytes", (json_int_t)progress->cdn_bytes,
                   "direct_bytes", (json_int_t)progress->direct_bytes, "sent_bytes", (json_int_t)progress->sent_bytes,
                   "loss_ppm", (json_int_t)progress->loss_ppm, "cdn_bps", (json_int_t)progress->cdn_bps, "direct_bps",
                   (json_int_t)progress->direct_bps, "in_bps", (json_int_t)progress->in_bps, "out_bps",
                   (json_int_t)progress->out_bps, "unproven", progress->unproven);
}

static bool
read_quiet(const json_t *json, struct copse_set *out) {
  char pop[COPSE_NAME_BYTES];
  size_t index;
  json_t *name;

  json_array_foreach(json, index, name) {
    if (!json_is_string(name) || json_string_length(name) >= sizeof(pop))
      return false;
    copse_copy(pop, sizeof(pop), json_string_value(name));
    if (copse_set_make(out, pop, sizeof(pop)) == NULL)
      return false;
  }
  return true;
}

bool
copse_label_read(const json_t *json, struct copse_label_record *out) {
  *out = (struct copse_label_record){.label = 0};
  if (read_label(json, &out->label) && copse_json_text(json, "root", out->root, sizeof(out->root)) &&
      read_quiet(json_object_get(json, "quiet"), &out->quiet))
    return true;
  copse_label_record_free(out);
  return false;
}

json_t *
copse_label_write(const struct copse_label_record *label) {
  json_t *quiet = json_array();

  for (size_t i = 0; i < label->quiet.count; i++)
    json_array_append_new(quiet, json_string(label->quiet.items[i]));
  return json_pack("{s:I, s:s, s:o}", "label", (json_int_t)label->label, "root", label->root, "quiet", quiet);
}

void
copse_label_record_free(struct copse_label_record *label) {
  copse_set_free(&label->quiet, free);
}

bool
copse_area_read(const json_t *json, struct copse_area_record *out) {
  out->idle = json_is_true(json_object_get(json, "idle"));
  return copse_json_hex(json, "key", out->key, sizeof(out->key));
}

json_t *
copse_area_write(const struct copse_area_record *area) {
  char key[2 * COPSE_KEY_BYTES + 1];

  copse_hex(area->key, sizeof(area->key), key);
  return json_pack("{s:s, s:b}", "key", key, "idle", area->idle);
}
