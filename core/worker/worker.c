/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "bus/adapter.h"
#include "bus/bus.h"
#include "bus/bus_local.h"
#include "bus/bus_redis.h"
#include "cache/cache.h"
#include "cache/shared_cache.h"
#include "channel/expulsions.h"
#include "channel/log.h"
#include "channel/relay.h"
#include "config/config.h"
#include "limit/fleet_limiter.h"
#include "limit/gcra.h"
#include "limit/memory_budget.h"
#include "loop/loop.h"
#include "net/dial.h"
#include "policy/policy.h"
#include "presence/presence_sync.h"
#include "presence/survey.h"
#include "redis/redis_clock.h"
#include "redis/redis_room.h"
#include "session/transfers.h"
#include "state/state.h"
#include "state/state_local.h"
#include "state/state_redis.h"
#include "store/store.h"
#include "store/store_cached.h"
#include "store/swapped_sends.h"
#include "worker/fleet.h"
#include "worker/presence_broadcast.h"
#include "worker/repeated_messages.h"
#include "worker/settings.h"
#include "worker/socketio_peers.h"

/* How long tasks of a replaced generation may take to end. */
enum { RETIRE_MS = 10000, SETTLE_TURNS = 100 };

static void channel_unfollowed(void *owner, struct slice channel_id) {
    presence_sync_unfollow(owner, channel_id);
}

static void build_bus(struct worker *worker) {
    if (!worker->fleet.redis) {
        worker->fleet.bus = bus_local_new(worker->loop, &fleet_events, worker);
        worker->fleet.state = state_local_new(worker->loop);
        return;
    }
    static const char *const caches[] = {STORE_CACHED_KEYS, SHARED_CACHE_KEYS};
    struct bus_settings bus = settings_of_bus(worker->config);
    bus.place = worker->place.name;
    worker->fleet.bus = bus_redis_new(worker->loop, worker->fleet.redis, &bus, &fleet_events, worker);
    worker->fleet.state = state_redis_new(worker->loop, worker->fleet.redis, bus_worker_id(worker->fleet.bus),
                                          &fleet_state_events, worker);
    if (settings_share_store(worker->config)) { /* otherwise workers would not read the same data */
        worker->fleet.room = redis_room_new(worker->loop, worker->fleet.redis, caches, sizeof caches / sizeof *caches);
        worker->store =
            store_cached_new(worker->loop, &worker->store, worker->fleet.redis, worker->fleet.room, bus.secret);
        worker->caches.shared = shared_cache_new(worker->loop, worker->fleet.redis, worker->fleet.room, bus.secret,
                                                 &fleet_removals, worker);
    }
    worker->fleet.clock = redis_clock_new(worker->loop, worker->fleet.redis);
    LOG_ALWAYS(LOG_INFO, "bus.joined", LOG_SLICE("as", bus_worker_id(worker->fleet.bus)));
    if (!worker->config->redis.socketio_adapter) return;
    struct adapter_settings adapter = settings_of_adapter(worker->config);
    worker->fleet.adapter = adapter_new(worker->fleet.redis, &adapter, &socketio_peers_events, worker);
}

/* Cached members and other data of that database may come from an old primary, or from before a restored backup. */
static void people_moved(void *owner, const char *epoch) {
    struct worker *worker = owner;
    if (worker->caches.shared) shared_cache_set_log(worker->caches.shared, epoch);
    cache_forget_all(worker->caches.own);
}

static unsigned count_workers(void *owner) {
    return state_workers(((struct worker *)owner)->fleet.state);
}

static void build_services(struct worker *worker) {
    const struct config *config = worker->config;
    struct room_limits rooms = settings_of_rooms(config);
    struct presence_settings presence = settings_of_presence(config);
    struct hub_settings hub = settings_of_hub(config);
    struct admission_settings admission = settings_of_admission(config);
    worker->channels.rooms = rooms_new(worker->loop, &rooms);
    worker->limits.limiter = limiter_new(worker->loop, (size_t)config->limits.state_bytes);
    worker->limits.inbound = memory_budget_new((size_t)config->limits.inbound_bytes);
    worker->limits.outbound = memory_budget_new((size_t)config->limits.outbound_bytes);
    worker->caches.own = cache_new(worker->loop, (size_t)config->cache.max_bytes);
    worker->channels.expulsions = expulsions_new(worker->loop);
    worker->presence.broadcast = presence_broadcast_new(worker);
    worker->presence.online = presence_new(worker->loop, &presence, &announce_events, worker);
    build_bus(worker);
    store_watch_people(worker->store, &(struct store_people_watch){people_moved, worker});
    worker->limits.fleet =
        fleet_limiter_new(worker->loop, worker->limits.limiter, worker->fleet.redis, count_workers, worker);
    worker->presence.sync = presence_sync_new(worker->loop, worker->presence.online, worker->fleet.bus, &presence);
    worker->presence.survey = survey_new(worker->loop, worker->presence.online, worker->presence.sync,
                                         worker->fleet.bus, worker->fleet.state, slice_of(worker->place.name));
    worker->channels.log = channel_log_new(worker->loop, worker->store, worker->channels.rooms, worker->fleet.bus);
    worker->channels.relay =
        relay_new(worker->channels.rooms, worker->channels.log, worker->fleet.bus, worker->fleet.adapter);
    relay_on_unfollow(worker->channels.relay, channel_unfollowed, worker->presence.sync);
    worker->fleet.repeated = repeated_messages_new(worker->loop, worker->fleet.bus);
    worker->limits.admission = admission_new(worker->loop, &admission);
    hub.inbound = worker->limits.inbound;
    hub.outbound = worker->limits.outbound;
    hub.admission = worker->limits.admission;
    worker->hub = hub_new(worker->loop, worker->channels.rooms, &hub);
    hub_set_presence(worker->hub, worker->presence.online);
    hub_name_sessions(worker->hub, worker->place.name);
    worker->transfers = transfers_new(worker->hub, worker->channels.log, worker->fleet.bus);
    worker->dialer = dialer_new(worker->loop);
    fleet_join(worker);
}

static bool open_store(struct worker *worker, const struct store_progress *progress, struct error *error_r) {
    if (worker->config->redis.nodes.len > 0) {
        struct redis_settings redis = settings_of_redis(worker->config);
        worker->fleet.redis = redis_new(worker->loop, &redis, NULL, NULL);
    }
    worker->store = settings_open_store(worker->config, worker->loop, worker->fleet.redis, progress, error_r);
    if (worker->store) swapped_sends_plant(worker->loop, worker->store);
    return worker->store;
}

static void enact(struct worker *worker, struct policy *policy) {
    worker->scripts.policy = policy;
    worker->scripts.generation = policy->generation;
    hub_set_policy(worker->hub, policy);
    worker->scripts.source->enact(policy);
    metric_set(METRIC_GENERATION, policy->generation);
}

bool worker_init(struct worker *worker, struct loop *loop, struct config *config, const struct policy_source *source,
                 unsigned generation, const char *name, const struct store_progress *progress, struct error *error_r) {
    *worker = (struct worker){.loop = loop, .config = config_ref(config), .scripts.source = source};
    if (name)
        memcpy(worker->place.name, name, ID_OWNER_LEN);
    else
        id_random(worker->place.name, ID_OWNER_LEN);
    if (settings_check(config, error_r) && open_store(worker, progress, error_r)) {
        build_services(worker);
        struct policy *policy = source->load(worker, config, generation, error_r);
        if (policy) {
            enact(worker, policy);
            return true;
        }
    }
    worker_done(worker, 0);
    return false;
}

/* Frees scripts first: they use all other parts, and no answer may resume a script after a part is freed. */
static void end_policy(struct worker *worker) {
    struct policy *policy = worker->scripts.policy;
    worker->scripts.policy = NULL;
    if (!policy) return;
    hub_set_policy(worker->hub, NULL);
    policy->ops->end(policy);
}

void worker_done(struct worker *worker, unsigned deadline_ms) {
    end_policy(worker);
    dialer_free(&worker->dialer);
    transfers_free(&worker->transfers);
    hub_free(&worker->hub);
    for (unsigned i = 0; i < SETTLE_TURNS && loop_turn(worker->loop); i++) continue;
    presence_broadcast_free(&worker->presence.broadcast);
    if (worker->store) store_close(&worker->store, deadline_ms); /* its last completions still find the log */
    admission_free(&worker->limits.admission);
    repeated_messages_free(&worker->fleet.repeated);
    relay_free(&worker->channels.relay);
    channel_log_free(&worker->channels.log);
    survey_free(&worker->presence.survey);
    presence_sync_free(&worker->presence.sync);
    fleet_limiter_free(&worker->limits.fleet);
    state_free(&worker->fleet.state);
    shared_cache_free(&worker->caches.shared);
    adapter_free(&worker->fleet.adapter);
    bus_free(&worker->fleet.bus);
    redis_clock_free(&worker->fleet.clock);
    redis_room_free(&worker->fleet.room);
    redis_free(&worker->fleet.redis);
    presence_free(&worker->presence.online);
    expulsions_free(&worker->channels.expulsions);
    cache_free(&worker->caches.own);
    memory_budget_free(&worker->limits.inbound);
    memory_budget_free(&worker->limits.outbound);
    limiter_free(&worker->limits.limiter);
    rooms_free(&worker->channels.rooms);
    config_unref(&worker->config);
}

static void apply(struct worker *worker) {
    const struct config *config = worker->config;
    struct room_limits rooms = settings_of_rooms(config);
    struct presence_settings presence = settings_of_presence(config);
    struct hub_settings hub = settings_of_hub(config);
    struct admission_settings admission = settings_of_admission(config);
    rooms_set_limits(worker->channels.rooms, &rooms);
    presence_set(worker->presence.online, &presence);
    presence_sync_set(worker->presence.sync, &presence);
    hub.inbound = worker->limits.inbound;
    hub.outbound = worker->limits.outbound;
    hub.admission = worker->limits.admission;
    hub_set(worker->hub, &hub);
    admission_set(worker->limits.admission, &admission);
    cache_set_max(worker->caches.own, (size_t)config->cache.max_bytes);
    memory_budget_set_max(worker->limits.inbound, (size_t)config->limits.inbound_bytes);
    memory_budget_set_max(worker->limits.outbound, (size_t)config->limits.outbound_bytes);
}

struct upcoming {
    struct config *config;
    struct policy *policy;
    struct net_host *host; /* NULL: there is no net */
};

struct upcoming *worker_prepare(struct worker *worker, struct config *config, unsigned generation,
                                struct error *error_r) {
    struct net_settings net = settings_of_net(config);
    struct upcoming *upcoming = NEW(struct upcoming);
    upcoming->config = config_ref(config);
    if (settings_check(config, error_r))
        upcoming->policy = worker->scripts.source->load(worker, config, generation, error_r);
    if (upcoming->policy && worker->net) upcoming->host = net_server_prepare(worker->net, &net, error_r);
    if (!upcoming->policy || (worker->net && !upcoming->host)) worker_abandon(worker, &upcoming);
    return upcoming;
}

void worker_abandon(struct worker *worker, struct upcoming **owned) {
    struct upcoming *upcoming = *owned;
    if (!upcoming) return;
    if (upcoming->policy) upcoming->policy->ops->end(upcoming->policy);
    if (upcoming->host) net_server_abandon(worker->net, &upcoming->host);
    config_unref(&upcoming->config);
    free(upcoming);
    *owned = NULL;
}

void worker_enact(struct worker *worker, struct upcoming **owned) {
    struct upcoming *upcoming = *owned;
    struct policy *before = worker->scripts.policy;
    struct config *old = worker->config;
    worker->config = upcoming->config;
    if (upcoming->host) net_server_enact(worker->net, &upcoming->host);
    apply(worker);
    enact(worker, upcoming->policy);
    before->ops->retire(before, RETIRE_MS);
    config_unref(&old);
    free(upcoming);
    *owned = NULL;
}
