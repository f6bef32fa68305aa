#include "server/ailments.h"

#include "wire/json.h"
#include "wire/utf8.h"

static bool may_be_named(struct slice name) {
    static const char *const ours[] = {"store", "scripts", "bus", "redis", "shards"};
    if (name.len < 1 || name.len > AILMENT_NAME_MAX) return false;
    for (size_t i = 0; i < name.len; i++)
        if (!(name.ptr[i] >= 'a' && name.ptr[i] <= 'z') && name.ptr[i] != '_') return false;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (slice_is(name, ours[i])) return false;
    return true;
}

static struct ailment *find(struct ailments *ailments, struct slice name) {
    for (size_t i = 0; i < ailments->len; i++)
        if (slice_is(name, ailments->items[i].name)) return &ailments->items[i];
    if (!may_be_named(name) || ailments->len == AILMENTS_MAX) return NULL;
    struct ailment *ailment = &ailments->items[ailments->len++];
    *ailment = (struct ailment){{0}, {0}};
    memcpy(ailment->name, name.ptr, name.len);
    return ailment;
}

bool ailments_set(struct ailments *ailments, struct slice name, struct slice text) {
    struct ailment *ailment = find(ailments, name);
    if (!ailment) return false;
    text = utf8_cut(text, AILMENT_TEXT_MAX);
    if (text.len > 0) memcpy(ailment->text, text.ptr, text.len);
    ailment->text[text.len] = '\0';
    return true;
}

void ailments_forget(struct ailments *ailments) {
    ailments->len = 0;
}

bool ailments_any(const struct ailments *ailments) {
    for (size_t i = 0; i < ailments->len; i++)
        if (ailments->items[i].text[0]) return true;
    return false;
}

void ailments_write(const struct ailments *ailments, struct buffer *out) {
    for (size_t i = 0; i < ailments->len; i++) {
        const struct ailment *ailment = &ailments->items[i];
        buffer_printf(out, ",\"%s\":", ailment->name);
        json_write_string(out, slice_of(ailment->text[0] ? ailment->text : "ok"));
    }
}
