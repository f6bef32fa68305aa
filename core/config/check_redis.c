#include <stdlib.h>

#include "config/check.h"
#include "config/value.h"

static bool is_address(const char *text) {
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text) return false;
    if (memchr(text, ':', (size_t)(colon - text)) && (text[0] != '[' || colon[-1] != ']')) return false; /* IPv6 */
    size_t digits = strspn(colon + 1, "0123456789");
    long port = digits > 0 && digits <= 5 && !colon[1 + digits] ? strtol(colon + 1, NULL, 10) : 0;
    return port >= 1 && port <= 65535 && !strpbrk(text, " \t\n/@");
}

bool check_redis(const struct config *config, struct error *error_r) {
    const struct config_redis *redis = &config->redis;
    bool standalone = strcmp(redis->mode, "standalone") == 0;
    for (size_t i = 0; i < redis->nodes.len; i++) {
        if (is_address(redis->nodes.items[i])) continue;
        config_complain(config, "redis.nodes", error_r, "\"%s\" is no \"host:port\"", redis->nodes.items[i]);
        return false;
    }
    if (standalone && redis->nodes.len > 1)
        config_complain(config, "redis.nodes", error_r, "one node is what mode = \"standalone\" has");
    else if (!standalone && redis->nodes.len == 0)
        config_complain(config, "redis.nodes", error_r, "mode = \"%s\" needs one at least", redis->mode);
    else if (redis->user && !redis->password)
        config_complain(config, "redis.password", error_r, "redis.user needs it");
    else if (redis->socketio_adapter && redis->nodes.len == 0)
        config_complain(config, "redis.nodes", error_r, "redis.socketio_adapter needs them");
    else
        return true;
    return false;
}
