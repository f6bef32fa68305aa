#include "server/settings.h"

#include "config/config.h"
#include "server/listen.h"

bool settings_check(const struct config *config, struct error *error_r) {
    struct net_settings net = settings_of_net(config);
    struct error error;
    if (!listen_check(config->listen, &error))
        config_complain(config, "listen", error_r, "%s", error.text);
    else if (!net_settings_check(&net, &error))
        config_complain(config, "tls.certificate", error_r, "%s", error.text);
    else
        return true;
    return false;
}

static bool offers(const struct config *config, const char *transport) {
    for (size_t i = 0; i < config->transports.len; i++)
        if (strcmp(config->transports.items[i], transport) == 0) return true;
    return false;
}

struct hub_settings settings_of_hub(const struct config *config) {
    return (struct hub_settings){
        .path = config->path,
        .plain_path = config->plain_path,
        .websocket = offers(config, "websocket"),
        .polling = offers(config, "polling"),
        .origins = config->origins.items,
        .origins_len = config->origins.len,
        .origin_required = config->origin_required,
        .ping_interval_ms = (unsigned)config->ping_interval_ms,
        .ping_timeout_ms = (unsigned)config->ping_timeout_ms,
        .connect_timeout_ms = (unsigned)config->connect_timeout_ms,
        .upgrade_timeout_ms = (unsigned)config->upgrade_timeout_ms,
        .max_payload_bytes = (size_t)config->max_payload_bytes,
        .recovery_window_ms = (uint64_t)config->recovery.window_s * 1000,
        .recovery_events = (unsigned)config->recovery.max_events,
        .recovery_bytes = (size_t)config->recovery.max_bytes,
        .outbox_bytes = (size_t)config->session.outbox_bytes,
        .slow_close_ms = (unsigned)config->session.slow_close_ms,
        .inbox_bytes = (size_t)config->session.inbox_bytes,
        .namespaces_max = (unsigned)config->session.namespaces,
        .rooms_max = (unsigned)config->session.rooms,
        .window = {.fixed_ms = (int)config->fanout.window_ms, .max_ms = (unsigned)config->fanout.window_max_ms},
    };
}

struct net_settings settings_of_net(const struct config *config) {
    return (struct net_settings){
        .max_message_bytes = (size_t)config->max_payload_bytes,
        .header_timeout_ms = (unsigned)config->net.header_timeout_ms,
        .body_timeout_ms = (unsigned)config->net.body_timeout_ms,
        .tls_certificate = config->tls.certificate,
        .tls_key = config->tls.key,
        .deflate = config->deflate,
        .receive_buffer_bytes = (size_t)config->net.receive_buffer_bytes,
        .proxy_protocol = config->net.proxy_protocol,
    };
}

struct room_limits settings_of_rooms(const struct config *config) {
    return (struct room_limits){
        .window_ms = (uint64_t)config->recovery.window_s * 1000,
        .max_events = (unsigned)config->recovery.max_events,
        .max_bytes = (size_t)config->recovery.max_bytes,
    };
}

struct presence_settings settings_of_presence(const struct config *config) {
    return (struct presence_settings){
        .grace_ms = (uint64_t)config->presence.grace_ms,
        .tick_ms = (uint64_t)config->presence.tick_ms,
        .names_max = (unsigned)config->presence.names,
    };
}

enum { SPREAD_S = 5 };

static struct rate rate_of(const struct config_rate *rate) {
    return (struct rate){(unsigned)rate->count, (uint64_t)rate->period_s * 1000};
}

struct admission_settings settings_of_admission(const struct config *config) {
    return (struct admission_settings){
        .connections = (unsigned)config->limits.connections,
        .rate = rate_of(&config->limits.accepts),
        .address_rate = rate_of(&config->limits.accepts_per_address),
        .spread_s = SPREAD_S,
    };
}
