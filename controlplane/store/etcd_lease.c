/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of the etcd store: etcd counts their time itself, in seconds. */
#include "etcd_internal.h"
#include <errno.h>

int
etcd_lease(struct copse_store *base, uint64_t now_ms, uint64_t ttl_ms, uint64_t *lease, struct copse_error *error) {
  json_t *answer;
  int result;

  (void)now_ms;
  result = etcd_call(etcd_of(base), "/v3/lease/grant",
                     json_pack("{s:o}", "TTL", copse_etcd_integer((ttl_ms + 999) / 1000)), true, &answer, error);
  *lease = copse_etcd_number(answer, "ID");
  json_decref(answer);
  return result == 0 && *lease == 0 ? copse_fail(error, -EPROTO, "etcd: a lease without a number") : result;
}

int
etcd_renew(struct copse_store *base, uint64_t lease, uint64_t now_ms) {
  json_t *answer;
  int result;

  (void)now_ms;
  result = etcd_call(etcd_of(base), "/v3/lease/keepalive", json_pack("{s:o}", "ID", copse_etcd_integer(lease)), true,
                     &answer, NULL);
  if (result == 0 && copse_etcd_number(json_object_get(answer, "result"), "TTL") == 0)
    result = -ENOENT;
  json_decref(answer);
  return result;
}

int
etcd_revoke(struct copse_store *base, uint64_t lease) {
  json_t *answer;
  int result = etcd_call(etcd_of(base), "/v3/lease/revoke", json_pack("{s:o}", "ID", copse_etcd_integer(lease)), true,
                         &answer, NULL);

  json_decref(answer);
  return result;
}
