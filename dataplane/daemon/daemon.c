/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"
#include "api/server.h"
#include "daemon/capabilities.h"
#include "daemon/clock.h"
#include "daemon/report.h"
#include "neighbour/resolver.h"
#include "ports/eal.h"
#include "ports/ports.h"
#include "stamp/stamp.h"

#include <copse/notify.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TICK_US 20000
#define TICKS_PER_REPORT 50
#define IDLE_POLLS 64 /* empty polls before a worker sleeps */
#define WORKERS_MAX 64

struct copse_daemon {
  struct copse_dataplane_config *config;
  const char *path;
  int lock;
  bool eal;
  struct copse_ports ports;
  struct copse_pools pools;
  bool has_pools;
  struct copse_table *table;
  struct copse_worker *workers[WORKERS_MAX];
  unsigned running;
  struct event_base *base;
  struct event *events[4];
  struct copse_resolver *resolver;
  struct copse_stamp_sockets stamp_sockets;
  struct copse_stamp *stamp;
  struct copse_api_server *api;
  struct copse_report report;
  uint64_t ticks, watchdog_ns, watchdog_due;
};

static uint64_t
now_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- while it runs ---- */

static void
feed_watchdog(struct copse_daemon *daemon, uint64_t now) {
  if (!daemon->watchdog_ns || now < daemon->watchdog_due)
    return;
  daemon->watchdog_due = now + daemon->watchdog_ns / 2;
  if (copse_report_alive(&daemon->report))
    copse_notify("WATCHDOG=1");
  else
    copse_log(COPSE_LOG_ERROR, "a worker stands still");
}

static void
on_tick(evutil_socket_t fd, short what, void *argument) {
  struct copse_daemon *daemon = argument;
  uint64_t now = now_ns();

  (void)fd;
  (void)what;
  __atomic_fetch_add(&copse_table_shm(daemon->table)->heartbeat, 1, __ATOMIC_RELAXED);
  copse_resolver_tick(daemon->resolver, now);
  copse_table_maintain(daemon->table, rte_rdtsc());
  if (++daemon->ticks % TICKS_PER_REPORT == 0)
    copse_report_drops(&daemon->report, now);
  feed_watchdog(daemon, now);
}

/* New addresses are looked up at once, not with the next tick; what is measured may be another. */
static void
on_batch(void *context) {
  struct copse_daemon *daemon = context;

  copse_resolver_tick(daemon->resolver, now_ns());
  copse_stamp_update(daemon->stamp);
}

static void
on_end(evutil_socket_t signal, short what, void *argument) {
  struct copse_daemon *daemon = argument;

  (void)what;
  copse_log(COPSE_LOG_INFO, "stopping on %s", signal == SIGTERM ? "SIGTERM" : "SIGINT");
  copse_notify("STOPPING=1");
  event_base_loopbreak(daemon->base);
}

/* Takes over the live keys of the file; a file that is wrong changes nothing. */
static void
on_reload(evutil_socket_t signal, short what, void *argument) {
  struct copse_daemon *daemon = argument;
  struct copse_dataplane_config fresh;
  struct copse_error error;
  int status = copse_dataplane_config_read(&fresh, daemon->path, &error);

  (void)signal;
  (void)what;
  for (size_t i = 0; i < fresh.neighbour_count && !status; i++)
    if (fresh.neighbours[i].port >= daemon->ports.count)
      status = copse_fail(&error, -EINVAL, "%s: 'neighbours': port %lu comes with a restart only", daemon->path,
                          fresh.neighbours[i].port);
  if (!status && copse_resolver_set_static(daemon->resolver, fresh.neighbours, fresh.neighbour_count) != 0)
    status = copse_fail(&error, -ENOMEM, "not enough memory for static neighbours");
  if (status) {
    copse_log(COPSE_LOG_ERROR, "reload: %s; nothing is changed", error.text);
  } else {
    copse_log_set_level(fresh.level);
    copse_log(COPSE_LOG_INFO, "reload: log_level and neighbours are taken over, other keys wait for a restart");
  }
  copse_dataplane_config_free(&fresh);
}

/* ---- start ---- */

static int
create_table(struct copse_daemon *daemon, struct copse_error *error) {
  const struct copse_limits_config *limits = &daemon->config->limits;
  struct copse_table_config config = {
    .limits = {.labels = (uint32_t)limits->labels,
               .trees = (uint32_t)limits->trees,
               .members = (uint32_t)limits->members,
               .links = (uint32_t)limits->links,
               .fan_out = (uint32_t)limits->fan_out,
               .workers = (uint32_t)daemon->config->workers},
    .tsc_hz = copse_clock_tsc_hz(),
    .local4 = daemon->config->local4,
    .local6 = daemon->config->local6,
  };

  for (size_t i = 0; i < daemon->ports.count; i++)
    config.mtu[daemon->ports.port[i].id] = daemon->ports.port[i].mtu;
  daemon->table = copse_table_create(&config);
  if (!daemon->table)
    return copse_fail(error, errno ? -errno : -ENOMEM, "no table of that size can be made ('limits'): %s",
                      strerror(errno ? errno : ENOMEM));
  return 0;
}

static int
start_worker(struct copse_daemon *daemon, uint32_t index, struct copse_error *error) {
  struct copse_worker_config config = {
    .table = daemon->table,
    .receive = daemon->pools.receive,
    .worker = index,
    .idle = daemon->config->adaptive ? COPSE_IDLE_ADAPTIVE : COPSE_IDLE_POLL,
    .idle_polls = IDLE_POLLS,
    .idle_sleep_us = (uint32_t)daemon->config->idle_max_us,
    .permission_s = (uint32_t)daemon->config->permission_s,
  };
  int status;

  copse_ports_of_worker(&daemon->ports, index, &config);
  daemon->workers[index] = copse_worker_create(&config);
  if (!daemon->workers[index])
    return copse_fail(error, -errno, "worker %u cannot be made: %s", index, strerror(errno));
  status = rte_eal_remote_launch(copse_worker_run, daemon->workers[index], COPSE_WORKER_LCORE(index));
  if (status)
    return copse_fail(error, status, "worker %u cannot be started: %s", index, strerror(-status));
  daemon->running++;
  return 0;
}

static int
start_forwarding(struct copse_daemon *daemon, struct copse_error *error) {
  struct copse_pools_config pools;
  bool pci = false, xdp = false;
  int status = copse_ports_prepare(&daemon->ports, daemon->config, &pools, error);

  for (size_t i = 0; i < daemon->ports.count; i++)
    if (copse_device_is_pci(daemon->config->ports[i].device))
      pci = true;
    else if (daemon->ports.port[i].is_xdp)
      xdp = true;
  if (!status) /* while we may have a low port */
    status = copse_stamp_sockets_open(&daemon->stamp_sockets, &daemon->config->local4, &daemon->config->local6,
                                      (uint16_t)daemon->config->stamp_port, error);
  if (!status)
    status = copse_capabilities_drop(pci, xdp, error);
  if (!status)
    status = copse_eal_start(daemon->config, &pools, error);
  if (status)
    return status;
  daemon->eal = true;
  status = copse_pools_create(&daemon->pools, &pools);
  if (status)
    return copse_fail(error, status, "%lu MiB of packet buffers do not fit: set 'memory_mb' higher",
                      copse_pools_need(&pools).bytes >> 20);
  daemon->has_pools = true;
  status = copse_ports_open(&daemon->ports, daemon->config, &daemon->pools, error);
  if (!status)
    status = create_table(daemon, error);
  for (uint32_t i = 0; i < daemon->config->workers && !status; i++)
    status = start_worker(daemon, i, error);
  return status;
}

static int
start_resolver(struct copse_daemon *daemon, struct copse_error *error) {
  struct copse_resolver_config config = {
    .base = daemon->base, .table = daemon->table, .port_count = daemon->ports.count};

  for (size_t i = 0; i < daemon->ports.count; i++) {
    const struct copse_port *port = &daemon->ports.port[i];
    config.ports[i].port = port->id;
    config.ports[i].vlan = (uint16_t)port->config->vlan;
    memcpy(config.ports[i].mac, port->mac, sizeof(port->mac));
    memcpy(config.ports[i].interface, port->interface, sizeof(port->interface));
  }
  daemon->resolver = copse_resolver_create(&config, error);
  if (!daemon->resolver)
    return -ENOMEM;
  if (copse_resolver_set_static(daemon->resolver, daemon->config->neighbours, daemon->config->neighbour_count) != 0)
    return copse_fail(error, -ENOMEM, "not enough memory for static neighbours");
  return 0;
}

static int
start_events(struct copse_daemon *daemon, struct copse_error *error) {
  const struct timeval tick = {.tv_usec = TICK_US};

  daemon->events[0] = event_new(daemon->base, -1, EV_PERSIST, on_tick, daemon);
  daemon->events[1] = evsignal_new(daemon->base, SIGTERM, on_end, daemon);
  daemon->events[2] = evsignal_new(daemon->base, SIGINT, on_end, daemon);
  daemon->events[3] = evsignal_new(daemon->base, SIGHUP, on_reload, daemon);
  for (int i = 0; i < 4; i++)
    if (!daemon->events[i] || event_add(daemon->events[i], i ? NULL : &tick) != 0)
      return copse_fail(error, -ENOMEM, "not enough memory for events");
  return 0;
}

static int
start_control(struct copse_daemon *daemon, struct copse_error *error) {
  int status;

  daemon->base = event_base_new();
  if (!daemon->base)
    return copse_fail(error, -ENOMEM, "no event loop can be made");
  status = start_resolver(daemon, error);
  if (!status)
    status = start_events(daemon, error);
  if (status)
    return status;
  daemon->stamp = copse_stamp_create(daemon->base, daemon->table, &daemon->stamp_sockets, error);
  if (!daemon->stamp)
    return -ENOMEM;
  copse_report_init(&daemon->report, copse_table_shm(daemon->table), copse_log);
  daemon->watchdog_ns = copse_watchdog_us() * 1000;
  daemon->api =
    copse_api_server_create(&(struct copse_api_server_config){.base = daemon->base,
                                                              .path = daemon->config->api_socket,
                                                              .table = daemon->table,
                                                              .patience_ms = COPSE_API_PATIENCE_MS,
                                                              .permission_s = (uint32_t)daemon->config->permission_s,
                                                              .applied = on_batch,
                                                              .context = daemon},
                            error);
  return daemon->api ? 0 : -EIO;
}

struct copse_daemon *
copse_daemon_start(struct copse_dataplane_config *config, const char *path, struct copse_error *error) {
  struct copse_daemon *daemon = calloc(1, sizeof(*daemon));
  int status = 0;

  if (!daemon) {
    copse_fail(error, -ENOMEM, "not enough memory");
    return NULL;
  }
  daemon->config = config;
  daemon->path = path;
  daemon->stamp_sockets = (struct copse_stamp_sockets){.reflector = {-1, -1}, .sender = {-1, -1}};
  daemon->lock = copse_api_lock(config->api_socket, error);
  if (daemon->lock < 0)
    status = daemon->lock;
  if (!status)
    status = start_forwarding(daemon, error);
  if (!status)
    status = start_control(daemon, error);
  if (status) {
    copse_daemon_stop(daemon);
    return NULL;
  }
  copse_log(COPSE_LOG_INFO, "ready: %lu workers, %zu ports, block port %lu, API at %s", config->workers,
            daemon->ports.count, config->block_port, config->api_socket);
  copse_notify("READY=1");
  return daemon;
}

void
copse_daemon_run(struct copse_daemon *daemon) {
  event_base_dispatch(daemon->base);
}

/* ---- stop ---- */

static void
stop_workers(struct copse_daemon *daemon) {
  for (unsigned i = 0; i < daemon->running; i++)
    copse_worker_stop(daemon->workers[i]);
  for (unsigned i = 0; i < daemon->running; i++)
    rte_eal_wait_lcore(COPSE_WORKER_LCORE(i));
  for (unsigned i = 0; i < WORKERS_MAX; i++)
    if (daemon->workers[i])
      copse_worker_destroy(daemon->workers[i]);
}

void
copse_daemon_stop(struct copse_daemon *daemon) {
  copse_api_server_destroy(daemon->api);
  copse_stamp_destroy(daemon->stamp);
  copse_stamp_sockets_close(&daemon->stamp_sockets);
  copse_resolver_destroy(daemon->resolver);
  for (int i = 0; i < 4; i++)
    if (daemon->events[i])
      event_free(daemon->events[i]);
  if (daemon->base)
    event_base_free(daemon->base);
  stop_workers(daemon);
  copse_ports_close(&daemon->ports);
  if (daemon->table)
    copse_table_destroy(daemon->table);
  if (daemon->has_pools)
    copse_pools_destroy(&daemon->pools);
  if (daemon->eal)
    copse_eal_stop();
  if (daemon->lock >= 0)
    copse_api_unlock(daemon->config->api_socket, daemon->lock);
  free(daemon);
}
