/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer.h"
#include "clock.h"
#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct transfer {
  LIST_ENTRY(transfer) entry;
  struct transfers *owner;
  CURL *easy;
  struct curl_slist *headers;
  transfer_data *data;
  transfer_done *done;
  void *context;
  bool owned;
  char *body;
  size_t bytes, limit;
  char failure[CURL_ERROR_SIZE];
};

struct transfers {
  struct event_base *base;
  struct event *timer;
  CURLM *multi;
  char *ca;
  LIST_HEAD(, transfer) all;
};

static void
transfer_free(struct transfer *transfer) {
  LIST_REMOVE(transfer, entry);
  curl_multi_remove_handle(transfer->owner->multi, transfer->easy);
  curl_easy_cleanup(transfer->easy);
  curl_slist_free_all(transfer->headers);
  free(transfer->body);
  if (transfer->owned)
    free(transfer->context);
  free(transfer);
}

void
transfer_cancel(struct transfer *transfer) {
  transfer_free(transfer);
}

/* The system's own words say more than libcurl's where a connection was refused. */
static const char *
failure_text(const struct transfer *transfer, CURLcode code) {
  long number = 0;

  curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
  if (code == CURLE_COULDNT_CONNECT && number)
    return strerror((int)number);
  return transfer->failure[0] ? transfer->failure : curl_easy_strerror(code);
}

static void
finish(struct transfer *transfer, CURLcode code) {
  struct transfer_result result = {.body = transfer->body ? transfer->body : "", .bytes = transfer->bytes};
  long status = 0;

  if (code == CURLE_OK)
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  else
    result.failure = failure_text(transfer, code);
  result.status = (int)status;
  transfer->done(transfer->context, &result, clock_ns());
  transfer_free(transfer);
}

static void
reap(struct transfers *transfers) {
  CURLMsg *message;
  int left;

  while ((message = curl_multi_info_read(transfers->multi, &left)) != NULL) {
    struct transfer *transfer;
    if (message->msg != CURLMSG_DONE)
      continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    finish(transfer, message->data.result);
  }
}

/* ---- libcurl's multi socket interface on libevent ---- */

static void
on_socket(evutil_socket_t fd, short what, void *context) {
  struct transfers *transfers = context;
  int running, mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

  curl_multi_socket_action(transfers->multi, fd, mask, &running);
  reap(transfers);
}

static void
on_timer(evutil_socket_t fd, short what, void *context) {
  struct transfers *transfers = context;
  int running;

  (void)fd;
  (void)what;
  curl_multi_socket_action(transfers->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  reap(transfers);
}

static int
set_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *data) {
  struct transfers *transfers = context;
  struct event *event = data;
  short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));

  (void)easy;
  if (event)
    event_free(event);
  event = what == CURL_POLL_REMOVE ? NULL : event_new(transfers->base, fd, events | EV_PERSIST, on_socket, transfers);
  if (event)
    event_add(event, NULL);
  curl_multi_assign(transfers->multi, fd, event);
  return 0;
}

static int
set_timer(CURLM *multi, long timeout_ms, void *context) {
  struct transfers *transfers = context;
  struct timeval delay = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

  (void)multi;
  if (timeout_ms < 0)
    evtimer_del(transfers->timer);
  else
    evtimer_add(transfers->timer, &delay);
  return 0;
}

struct transfers *
transfers_create(struct event_base *base, const char *ca) {
  struct transfers *transfers = calloc(1, sizeof(*transfers));

  if (!transfers)
    return NULL;
  transfers->base = base;
  LIST_INIT(&transfers->all);
  transfers->ca = ca ? strdup(ca) : NULL;
  transfers->timer = evtimer_new(base, on_timer, transfers);
  transfers->multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
  if (!transfers->multi || !transfers->timer || (ca && !transfers->ca)) {
    transfers_free(transfers);
    return NULL;
  }
  curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
  curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
  curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, set_timer);
  curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
  curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, 64L);
  return transfers;
}

void
transfers_cancel_all(struct transfers *transfers) {
  struct transfer *transfer = LIST_FIRST(&transfers->all);

  while (transfer) {
    struct transfer *next = LIST_NEXT(transfer, entry);
    transfer_free(transfer);
    transfer = next;
  }
}

void
transfers_free(struct transfers *transfers) {
  if (!transfers)
    return;
  transfers_cancel_all(transfers);
  if (transfers->multi)
    curl_multi_cleanup(transfers->multi);
  if (transfers->timer)
    event_free(transfers->timer);
  free(transfers->ca);
  free(transfers);
  curl_global_cleanup();
}

/* ---- one request ---- */

static size_t
receive(char *bytes, size_t size, size_t count, void *context) {
  struct transfer *transfer = context;
  long status = 0;

  (void)size;
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  if (transfer->data)
    return status / 100 != 2 || transfer->data(transfer->context, (const uint8_t *)bytes, count, clock_ns()) ? count
                                                                                                             : 0;
  if (count > transfer->limit - transfer->bytes)
    return 0;
  char *grown = realloc(transfer->body, transfer->bytes + count + 1);
  if (!grown)
    return 0;
  transfer->body = grown;
  memcpy(grown + transfer->bytes, bytes, count);
  transfer->bytes += count;
  grown[transfer->bytes] = 0;
  return count;
}

static bool
add_header(struct transfer *transfer, const char *name, const char *value) {
  char *line;

  if (!value)
    return true;
  if (asprintf(&line, "%s: %s", name, value) < 0)
    return false;
  struct curl_slist *longer = curl_slist_append(transfer->headers, line);
  free(line);
  if (longer)
    transfer->headers = longer;
  return longer != NULL;
}

static bool
prepare_headers(struct transfer *transfer, const struct transfer_request *request) {
  char *bearer = NULL;
  bool ok;

  if (request->bearer && asprintf(&bearer, "Bearer %s", request->bearer) < 0)
    return false;
  /* No `Expect: 100-continue`: it would cost a round trip before each body. */
  ok = add_header(transfer, "Authorization", bearer) && add_header(transfer, "Content-Type", request->content_type) &&
       add_header(transfer, "Idempotency-Key", request->key) && (!request->body || add_header(transfer, "Expect", ""));
  free(bearer);
  if (transfer->headers)
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
  return ok;
}

static void
prepare(struct transfer *transfer, const struct transfer_request *request) {
  CURL *easy = transfer->easy;

  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->failure);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_URL, request->url);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->total_ms);
  if (request->stall_s) {
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 64L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)request->stall_s);
  }
  if (request->range)
    curl_easy_setopt(easy, CURLOPT_RANGE, request->range);
  if (request->body) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
  }
  if (transfer->owner->ca) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, transfer->owner->ca);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* or the system's authorities are read and trusted as well */
  }
}

struct transfer *
transfer_start(struct transfers *transfers, const struct transfer_request *request) {
  struct transfer *transfer = calloc(1, sizeof(*transfer));

  if (!transfer)
    return NULL;
  transfer->owner = transfers;
  transfer->data = request->data;
  transfer->done = request->done;
  transfer->context = request->context;
  transfer->limit = request->limit;
  transfer->easy = curl_easy_init();
  if (!transfer->easy) {
    free(transfer);
    return NULL;
  }
  LIST_INSERT_HEAD(&transfers->all, transfer, entry);
  prepare(transfer, request);
  if (!prepare_headers(transfer, request) || curl_multi_add_handle(transfers->multi, transfer->easy) != CURLM_OK) {
    transfer_free(transfer);
    return NULL;
  }
  transfer->owned = request->owned;
  return transfer;
}
