/* SPDX-License-Identifier: Apache-2.0 */
#include "config/fingerprint.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "config/sources.h"
#include "config/value.h"

static uint64_t hash_plain(const struct value *value) {
    struct buffer text = {0};
    value_write_json(value, &text);
    uint64_t hash = hash_fixed(buffer_slice(&text));
    buffer_done(&text);
    return hash;
}

/* Two Lua states walk a table in different orders, so named items are hashed independent of order. */
static uint64_t hash_value(const struct value *value) {
    if (value->type != VALUE_TABLE) return hash_plain(value);
    uint64_t sum = 0, index = 0;
    for (const struct value *child = value->first; child; child = child->next) {
        uint64_t name = child->key ? hash_fixed(slice_of(child->key)) : ++index;
        sum ^= hash_keyed(name, hash_value(child), SLICE_NONE);
    }
    return sum;
}

void config_fingerprint(const struct config *config, char text_r[CONFIG_FINGERPRINT_LEN + 1]) {
    uint64_t sum = hash_value(config->tree) ^ sources_hash(config->sources);
    snprintf(text_r, CONFIG_FINGERPRINT_LEN + 1, "%016llx", (unsigned long long)sum);
}
