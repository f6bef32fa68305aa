#include "server/standing.h"

#include <stdio.h>

#include "config/config.h"
#include "server/places.h"
#include "server/settings.h"

static unsigned count_ready(const struct places *places) {
    return places_count(places, PLACE_READY) + places_count(places, PLACE_DEGRADED);
}

bool standing_is_ready(const struct places *places) {
    return count_ready(places) > 0 && places_count(places, PLACE_DRAINING) == 0;
}

const char *standing_word(const struct places *places) {
    if (places_count(places, PLACE_DRAINING) > 0) return "draining";
    if (count_ready(places) > 0) return places_count(places, PLACE_READY) == places_len(places) ? "ok" : "degraded";
    return places_count(places, PLACE_FAILING) > 0 ? "unavailable" : "starting";
}

unsigned standing_parts(const struct config *config) {
    return settings_share_store(config) ? (unsigned)config->postgres.shards.len + 1 : 0;
}

void standing_name_part(unsigned part, unsigned parts, char name_r[16]) {
    if (part + 1 == parts)
        snprintf(name_r, 16, "global");
    else
        snprintf(name_r, 16, "%u", part);
}

void standing_write_shards(const struct places *places, unsigned parts, const char *before, struct buffer *out) {
    if (parts == 0) return;
    buffer_printf(out, "%s{", before);
    for (unsigned part = 0; part < parts; part++) {
        char name[16];
        standing_name_part(part, parts, name);
        buffer_printf(out, "%s\"%s\":\"%s\"", part > 0 ? "," : "", name,
                      places_part_works(places, part) ? "ok" : "away");
    }
    buffer_append_char(out, '}');
}
