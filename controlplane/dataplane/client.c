/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"
#include <copse/log.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 500
#define REQUESTS_MAX 1024 /* waiting for their answers */
#define READ_BYTES 65536

struct request {
  struct request *next;
  uint64_t number;
  uint16_t type;
  copse_batch_callback *batch;
  copse_dump_callback *dump;
  void *context;
};

struct copse_dataplane {
  struct event_base *base;
  struct sockaddr_un address;
  struct copse_dataplane_hooks hooks;
  int fd; /* -1: not connected */
  struct event *readable, *writable, *retry;
  struct evbuffer *in, *out;
  unsigned retry_ms;
  bool complained; /* the log has it that the dataplane is away */
  bool up;
  uint64_t next_number;
  unsigned waiting;
  struct request *first, **last; /* in the order sent, which is that of the answers */
  struct copse_api_hello hello;
  struct copse_counters *counters;
  int counters_fd;               /* received, not yet mapped */
  struct copse_counters *former; /* of the life before, kept until HELLO says which one it is now */
  uint64_t former_instance;
};

static void disconnect(struct copse_dataplane *dataplane, const char *why);

/* Writes some of what waits; never raises SIGPIPE. */
static ssize_t
write_some(struct copse_dataplane *dataplane) {
  struct iovec parts[16];
  struct msghdr message = {.msg_iov = parts};
  int count = evbuffer_peek(dataplane->out, -1, NULL, parts, 16);
  ssize_t sent;

  message.msg_iovlen = (size_t)(count > 16 ? 16 : count);
  sent = sendmsg(dataplane->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0)
    evbuffer_drain(dataplane->out, (size_t)sent);
  return sent;
}

/* Sends what the socket takes now and waits for room for the rest. */
static void
flush(struct copse_dataplane *dataplane) {
  while (evbuffer_get_length(dataplane->out) > 0) {
    if (write_some(dataplane) >= 0 || errno == EINTR)
      continue;
    if (errno == EAGAIN)
      event_add(dataplane->writable, NULL);
    else
      disconnect(dataplane, strerror(errno));
    return;
  }
}

static void
on_writable(evutil_socket_t fd, short what, void *context) {
  (void)fd, (void)what;
  flush(context);
}

/* Appends a frame and sends what the socket takes at once. What comes of it, and errors too, is seen in the next turn
 * of the loop: no callback comes from within a call. */
static int
send_frame(struct copse_dataplane *dataplane, uint16_t type, const void *head, size_t head_bytes, const void *tail,
           size_t tail_bytes, const struct request *template) {
  struct copse_api_header header = {.length = (uint32_t)(sizeof(header) + head_bytes + tail_bytes),
                                    .version = COPSE_API_VERSION,
                                    .type = type,
                                    .request = ++dataplane->next_number};
  struct request *request;

  if (sizeof(header) + head_bytes + tail_bytes > COPSE_API_FRAME_MAX)
    return -EMSGSIZE;
  request = malloc(sizeof(*request));
  if (request == NULL || dataplane->waiting >= REQUESTS_MAX ||
      evbuffer_expand(dataplane->out, header.length) < 0) { /* then adding cannot fail halfway */
    free(request);
    return -ENOMEM;
  }
  evbuffer_add(dataplane->out, &header, sizeof(header));
  evbuffer_add(dataplane->out, head, head_bytes);
  evbuffer_add(dataplane->out, tail, tail_bytes);
  *request = *template;
  request->next = NULL;
  request->number = header.request;
  request->type = type;
  *dataplane->last = request;
  dataplane->last = &request->next;
  dataplane->waiting++;
  write_some(dataplane);
  if (evbuffer_get_length(dataplane->out) > 0)
    event_add(dataplane->writable, NULL);
  return 0;
}

int
copse_dataplane_batch(struct copse_dataplane *dataplane, uint64_t expected_generation,
                      const struct copse_operations *operations, copse_batch_callback *callback, void *context) {
  struct copse_api_batch batch = {.expected_generation = expected_generation, .operations = operations->count};
  struct request request = {.batch = callback, .context = context};

  if (!dataplane->up)
    return -ENOTCONN;
  if (operations->failed)
    return -ENOMEM;
  return send_frame(dataplane, COPSE_API_BATCH, &batch, sizeof(batch), operations->bytes, operations->length, &request);
}

int
copse_dataplane_dump(struct copse_dataplane *dataplane, copse_dump_callback *callback, void *context) {
  struct request request = {.dump = callback, .context = context};

  return dataplane->up ? send_frame(dataplane, COPSE_API_DUMP, NULL, 0, NULL, 0, &request) : -ENOTCONN;
}

static struct request *
take_request(struct copse_dataplane *dataplane) {
  struct request *request = dataplane->first;

  if (request == NULL)
    return NULL;
  dataplane->first = request->next;
  if (dataplane->first == NULL)
    dataplane->last = &dataplane->first;
  dataplane->waiting--;
  return request;
}

/* Answers one request; `body` is null when `status` says why there is no answer. */
static void
answer(const struct request *request, int status, const void *body, size_t bytes) {
  if (request->batch != NULL) {
    struct copse_api_result result = {.status = status};

    if (status == 0 && bytes >= sizeof(result))
      memcpy(&result, body, sizeof(result));
    else if (status == 0)
      result.status = -EPROTO;
    result.text[sizeof(result.text) - 1] = '\0';
    request->batch(request->context, &result);
  } else if (request->dump != NULL) {
    request->dump(request->context, status, body, bytes);
  }
}

static void
retry_later(struct copse_dataplane *dataplane) {
  struct timeval delay = {.tv_sec = dataplane->retry_ms / 1000, .tv_usec = (long)(dataplane->retry_ms % 1000) * 1000};

  event_add(dataplane->retry, &delay);
  dataplane->retry_ms = dataplane->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : dataplane->retry_ms * 2;
}

/* Gives the connection up; the next attempt comes by timer. */
static void
disconnect(struct copse_dataplane *dataplane, const char *why) {
  bool was_up = dataplane->up;
  struct request *request;

  if (dataplane->fd < 0)
    return;
  if (!dataplane->complained)
    copse_log(COPSE_LOG_WARNING, "the dataplane at %s is away: %s", dataplane->address.sun_path, why);
  dataplane->complained = true;
  dataplane->up = false;
  event_del(dataplane->readable);
  event_del(dataplane->writable);
  close(dataplane->fd);
  dataplane->fd = -1;
  if (dataplane->counters_fd >= 0)
    close(dataplane->counters_fd);
  dataplane->counters_fd = -1;
  evbuffer_drain(dataplane->in, evbuffer_get_length(dataplane->in));
  evbuffer_drain(dataplane->out, evbuffer_get_length(dataplane->out));
  while ((request = take_request(dataplane)) != NULL) {
    answer(request, -ECONNRESET, NULL, 0);
    free(request);
  }
  if (was_up)
    dataplane->hooks.down(dataplane->hooks.context);
  if (dataplane->counters != NULL) {
    copse_counters_unmap(dataplane->former);
    dataplane->former = dataplane->counters;
    dataplane->former_instance = dataplane->hello.instance;
    dataplane->counters = NULL;
  }
  retry_later(dataplane);
}

/* 0, or negative with the sentence why this is no dataplane to talk to. */
static int
take_hello(struct copse_dataplane *dataplane, const void *body, size_t bytes, struct copse_error *error) {
  int fd = dataplane->counters_fd;
  int result;

  if (bytes < sizeof(dataplane->hello))
    return copse_fail(error, -EPROTO, "its HELLO is too short");
  if (fd < 0)
    return copse_fail(error, -EPROTO, "its HELLO came without counters");
  memcpy(&dataplane->hello, body, sizeof(dataplane->hello));
  dataplane->counters_fd = -1;
  result = copse_counters_map(fd, dataplane->hello.shm_bytes, &dataplane->counters, error);
  if (result < 0)
    return result;
  copse_log(COPSE_LOG_INFO, "connected to the dataplane at %s: %u workers, %u trees, %u members, %u links",
            dataplane->address.sun_path, dataplane->hello.limits.workers, dataplane->hello.limits.trees,
            dataplane->hello.limits.members, dataplane->hello.limits.links);
  dataplane->up = true;
  dataplane->complained = false;
  dataplane->retry_ms = RETRY_FIRST_MS;
  dataplane->hooks.up(dataplane->hooks.context);
  copse_counters_unmap(dataplane->former);
  dataplane->former = NULL;
  return 0;
}

static int
take_frame(struct copse_dataplane *dataplane, const struct copse_api_header *header, struct copse_error *error) {
  const void *body = header + 1;
  size_t bytes = header->length - sizeof(*header);
  struct request *request = dataplane->first;
  int result = 0;

  if (header->version != COPSE_API_VERSION)
    return copse_fail(error, -EPROTO, "it speaks version %u of the API, this program version %d", header->version,
                      COPSE_API_VERSION);
  if (request == NULL || request->number != header->request || request->type != header->type)
    return copse_fail(error, -EPROTO, "it answered what was not asked");
  take_request(dataplane);
  if (header->type == COPSE_API_HELLO)
    result = take_hello(dataplane, body, bytes, error);
  else
    answer(request, 0, body, bytes);
  free(request);
  return result;
}

/* Handles every whole frame that has arrived. */
static int
take_frames(struct copse_dataplane *dataplane, struct copse_error *error) {
  struct copse_api_header header;

  while (dataplane->fd >= 0 && evbuffer_copyout(dataplane->in, &header, sizeof(header)) == (ssize_t)sizeof(header)) {
    int result;

    if (header.length < sizeof(header) || header.length > COPSE_API_FRAME_MAX)
      return copse_fail(error, -EPROTO, "a frame of %u bytes", header.length);
    if (evbuffer_get_length(dataplane->in) < header.length)
      return 0;
    result = take_frame(dataplane, (const void *)evbuffer_pullup(dataplane->in, header.length), error);
    if (result < 0)
      return result;
    evbuffer_drain(dataplane->in, header.length);
  }
  return 0;
}

/* Keeps the first descriptor that comes, closes any other. */
static void
take_descriptors(struct copse_dataplane *dataplane, struct msghdr *message) {
  for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL; control = CMSG_NXTHDR(message, control)) {
    size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
      continue;
    for (size_t i = 0; i < count; i++) {
      int fd;

      memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
      if (dataplane->counters_fd < 0)
        dataplane->counters_fd = fd;
      else
        close(fd);
    }
  }
}

static void
on_readable(evutil_socket_t fd, short what, void *context) {
  struct copse_dataplane *dataplane = context;
  struct copse_error error;
  char control[CMSG_SPACE(sizeof(int) * 4)];
  struct iovec vector;
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  ssize_t received;

  (void)what;
  if (evbuffer_reserve_space(dataplane->in, READ_BYTES, &vector, 1) < 1) {
    disconnect(dataplane, "no memory");
    return;
  }
  received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (received < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  vector.iov_len = received < 0 ? 0 : (size_t)received;
  evbuffer_commit_space(dataplane->in, &vector, 1);
  if (received > 0)
    take_descriptors(dataplane, &message);
  if (received <= 0)
    disconnect(dataplane, received == 0 ? "it closed the connection" : strerror(errno));
  else if (take_frames(dataplane, &error) < 0)
    disconnect(dataplane, error.text);
}

static void
try_connect(struct copse_dataplane *dataplane) {
  static const struct request hello;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0 || connect(fd, (const struct sockaddr *)&dataplane->address, sizeof(dataplane->address)) < 0) {
    if (!dataplane->complained)
      copse_log(COPSE_LOG_WARNING, "the dataplane at %s is away: %s", dataplane->address.sun_path, strerror(errno));
    dataplane->complained = true;
    if (fd >= 0)
      close(fd);
    retry_later(dataplane);
    return;
  }
  dataplane->fd = fd;
  event_assign(dataplane->readable, dataplane->base, fd, EV_READ | EV_PERSIST, on_readable, dataplane);
  event_assign(dataplane->writable, dataplane->base, fd, EV_WRITE, on_writable, dataplane);
  event_add(dataplane->readable, NULL);
  if (send_frame(dataplane, COPSE_API_HELLO, NULL, 0, NULL, 0, &hello) < 0)
    disconnect(dataplane, "no memory");
}

static void
on_retry(evutil_socket_t fd, short what, void *context) {
  (void)fd, (void)what;
  try_connect(context);
}

int
copse_dataplane_create(struct event_base *base, const char *path, const struct copse_dataplane_hooks *hooks,
                       struct copse_dataplane **out, struct copse_error *error) {
  struct copse_dataplane *dataplane;

  if (strlen(path) >= sizeof(dataplane->address.sun_path))
    return copse_fail(error, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes", path,
                      sizeof(dataplane->address.sun_path) - 1);
  dataplane = calloc(1, sizeof(*dataplane));
  if (dataplane == NULL)
    return copse_fail(error, -ENOMEM, "no memory for the dataplane's client");
  dataplane->base = base;
  dataplane->address.sun_family = AF_UNIX;
  memcpy(dataplane->address.sun_path, path, strlen(path) + 1);
  dataplane->hooks = *hooks;
  dataplane->fd = dataplane->counters_fd = -1;
  dataplane->last = &dataplane->first;
  dataplane->retry_ms = RETRY_FIRST_MS;
  dataplane->readable = event_new(base, -1, EV_READ | EV_PERSIST, on_readable, dataplane);
  dataplane->writable = event_new(base, -1, EV_WRITE, on_writable, dataplane);
  dataplane->retry = event_new(base, -1, 0, on_retry, dataplane);
  dataplane->in = evbuffer_new();
  dataplane->out = evbuffer_new();
  if (dataplane->readable == NULL || dataplane->writable == NULL || dataplane->retry == NULL || dataplane->in == NULL ||
      dataplane->out == NULL) {
    copse_dataplane_free(dataplane);
    return copse_fail(error, -ENOMEM, "no memory for the dataplane's client");
  }
  event_active(dataplane->retry, EV_TIMEOUT, 0);
  *out = dataplane;
  return 0;
}

void
copse_dataplane_free(struct copse_dataplane *dataplane) {
  struct request *request;

  if (dataplane == NULL)
    return;
  while ((request = take_request(dataplane)) != NULL)
    free(request);
  struct event *events[] = {dataplane->readable, dataplane->writable, dataplane->retry};
  for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
    if (events[i] != NULL)
      event_free(events[i]);
  if (dataplane->in != NULL)
    evbuffer_free(dataplane->in);
  if (dataplane->out != NULL)
    evbuffer_free(dataplane->out);
  if (dataplane->fd >= 0)
    close(dataplane->fd);
  if (dataplane->counters_fd >= 0)
    close(dataplane->counters_fd);
  copse_counters_unmap(dataplane->counters);
  copse_counters_unmap(dataplane->former);
  free(dataplane);
}

bool
copse_dataplane_connected(const struct copse_dataplane *dataplane) {
  return dataplane->up;
}

const struct copse_api_hello *
copse_dataplane_hello(const struct copse_dataplane *dataplane) {
  return &dataplane->hello;
}

const struct copse_counters *
copse_dataplane_former(const struct copse_dataplane *dataplane, uint64_t *instance) {
  *instance = dataplane->former_instance;
  return dataplane->former_instance == dataplane->hello.instance ? NULL : dataplane->former;
}

const struct copse_counters *
copse_dataplane_counters(const struct copse_dataplane *dataplane) {
  return dataplane->counters;
}
