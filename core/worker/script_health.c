/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/script_health.h"

#include "wire/json.h"
#include "wire/utf8.h"

static bool may_be_named(struct slice name) {
    static const char *const ours[] = {"store", "scripts", "bus", "redis", "shards"};
    if (name.len < 1 || name.len > SCRIPT_HEALTH_NAME_MAX) return false;
    for (size_t i = 0; i < name.len; i++)
        if (!(name.ptr[i] >= 'a' && name.ptr[i] <= 'z') && name.ptr[i] != '_') return false;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (slice_is(name, ours[i])) return false;
    return true;
}

static struct script_health_part *find(struct script_health *script_health, struct slice name) {
    for (size_t i = 0; i < script_health->len; i++)
        if (slice_is(name, script_health->items[i].name)) return &script_health->items[i];
    if (!may_be_named(name) || script_health->len == SCRIPT_HEALTH_MAX) return NULL;
    struct script_health_part *ailment = &script_health->items[script_health->len++];
    *ailment = (struct script_health_part){{0}, {0}};
    memcpy(ailment->name, name.ptr, name.len);
    return ailment;
}

bool script_health_set(struct script_health *script_health, struct slice name, struct slice text) {
    struct script_health_part *ailment = find(script_health, name);
    if (!ailment) return false;
    text = utf8_cut(text, SCRIPT_HEALTH_TEXT_MAX);
    if (text.len > 0) memcpy(ailment->text, text.ptr, text.len);
    ailment->text[text.len] = '\0';
    return true;
}

void script_health_forget(struct script_health *script_health) {
    script_health->len = 0;
}

bool script_health_any(const struct script_health *script_health) {
    for (size_t i = 0; i < script_health->len; i++)
        if (script_health->items[i].text[0]) return true;
    return false;
}

void script_health_write(const struct script_health *script_health, struct buffer *out) {
    for (size_t i = 0; i < script_health->len; i++) {
        const struct script_health_part *ailment = &script_health->items[i];
        buffer_printf(out, ",\"%s\":", ailment->name);
        json_write_string(out, slice_of(ailment->text[0] ? ailment->text : "ok"));
    }
}
