/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/server_state.h"

#include <stdio.h>

#include "config/config.h"
#include "process/worker_slots.h"
#include "worker/settings.h"

static unsigned count_ready(const struct worker_slots *slots) {
    return worker_slots_count(slots, WORKER_SLOT_READY) + worker_slots_count(slots, WORKER_SLOT_DEGRADED);
}

bool server_state_is_ready(const struct worker_slots *slots) {
    return count_ready(slots) > 0 && worker_slots_count(slots, WORKER_SLOT_DRAINING) == 0;
}

const char *server_state_word(const struct worker_slots *slots) {
    if (worker_slots_count(slots, WORKER_SLOT_DRAINING) > 0) return "draining";
    if (count_ready(slots) > 0)
        return worker_slots_count(slots, WORKER_SLOT_READY) == worker_slots_len(slots) ? "ok" : "degraded";
    return worker_slots_count(slots, WORKER_SLOT_FAILING) > 0 ? "unavailable" : "starting";
}

unsigned server_state_parts(const struct config *config) {
    return settings_share_store(config) ? (unsigned)config->postgres.shards.len + 1 : 0;
}

void server_state_name_part(unsigned part, unsigned parts, char name_r[16]) {
    if (part + 1 == parts)
        snprintf(name_r, 16, "global");
    else
        snprintf(name_r, 16, "%u", part);
}

void server_state_write_shards(const struct worker_slots *slots, unsigned parts, const char *before,
                               struct buffer *out) {
    if (parts == 0) return;
    buffer_printf(out, "%s{", before);
    for (unsigned part = 0; part < parts; part++) {
        char name[16];
        server_state_name_part(part, parts, name);
        buffer_printf(out, "%s\"%s\":\"%s\"", part > 0 ? "," : "", name,
                      worker_slots_part_works(slots, part) ? "ok" : "away");
    }
    buffer_append_char(out, '}');
}
