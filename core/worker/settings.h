/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - the settings of each service. The only place that turns configuration keys into settings. */
#ifndef WORKER_SETTINGS_H
#define WORKER_SETTINGS_H

#include "base/error.h"
#include "bus/adapter.h"
#include "bus/bus.h"
#include "channel/room.h"
#include "limit/admission.h"
#include "net/server.h"
#include "presence/presence.h"
#include "redis/redis.h"
#include "session/hub.h"

struct config;
struct loop;
struct store;
struct store_progress;

/* Checks what config_new cannot, without starting services: the form of addresses, certificates. False: "FILE:LINE:
 * KEY: …". */
bool settings_check(const struct config *config, struct error *error_r) MUST_CHECK;

/* Strings are borrowed from the configuration. */
struct hub_settings settings_of_hub(const struct config *config);
struct net_settings settings_of_net(const struct config *config);
struct net_settings settings_of_metrics_net(const struct config *config);
struct room_limits settings_of_rooms(const struct config *config);
struct presence_settings settings_of_presence(const struct config *config);
/* Only with redis.nodes. */
struct redis_settings settings_of_redis(const struct config *config);
struct bus_settings settings_of_bus(const struct config *config);
/* Only with redis.socketio_adapter. */
struct adapter_settings settings_of_adapter(const struct config *config);
/* The number of workers that `workers` means on this machine; the same in each of the server's processes. */
unsigned settings_workers(const struct config *config);
/* The same, for given limits. "auto": one per processor; more if limits.connections needs them, because a worker has
 * descriptors for at most worker_connections. */
unsigned settings_of_workers(const struct config *config, unsigned processors, unsigned worker_connections);
/* Rates are for scripts to set. */
struct admission_settings settings_of_admission(const struct config *config);

/* True: all workers share one store: PostgreSQL, not one file each. */
bool settings_share_store(const struct config *config);
/* The store of the configuration, open. redis outlives it; NULL: this worker is alone. NULL: error_r is "FILE:LINE: …"
 * for what stands there. */
struct store *settings_open_store(const struct config *config, struct loop *loop, struct redis *redis,
                                  const struct store_progress *progress, struct error *error_r) MUST_CHECK;

#endif
