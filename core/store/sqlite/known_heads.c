/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/known_heads.h"

#include <stdlib.h>

#include "base/map.h"

/* Number of channels; when full, the cache is cleared and heads are read from the log again. */
enum { KNOWN_MAX = 20000 };

struct known_heads {
    struct map *known, *staged; /* struct known_head */
};

struct known_head {
    int64_t seq;
    size_t id_len;
    char channel_id[];
};

static struct slice head_id(const struct known_head *head) {
    return (struct slice){head->channel_id, head->id_len};
}

static void clear(struct map **map) {
    size_t cursor = 0;
    struct known_head *head;
    if (map_size(*map) == 0) return;
    while ((head = map_next(*map, &cursor))) free(head);
    map_free(map);
    *map = map_new();
}

struct known_heads *known_heads_new(void) {
    struct known_heads *heads = NEW(struct known_heads);
    heads->known = map_new();
    heads->staged = map_new();
    return heads;
}

void known_heads_free(struct known_heads **owned) {
    struct known_heads *heads = *owned;
    *owned = NULL;
    if (!heads) return;
    known_heads_forget(heads);
    map_free(&heads->known);
    map_free(&heads->staged);
    free(heads);
}

int64_t known_heads_find(const struct known_heads *heads, struct slice channel_id) {
    const struct known_head *head = map_find(heads->staged, channel_id);
    if (!head) head = map_find(heads->known, channel_id);
    return head ? head->seq : -1;
}

void known_heads_stage(struct known_heads *heads, struct slice channel_id, int64_t seq) {
    struct known_head *head = map_find(heads->staged, channel_id);
    if (!head) {
        head = memory_new(sizeof *head + channel_id.len);
        head->id_len = channel_id.len;
        memcpy(head->channel_id, channel_id.ptr, channel_id.len);
        map_put(heads->staged, head_id(head), head);
    }
    head->seq = seq;
}

void known_heads_publish(struct known_heads *heads) {
    size_t cursor = 0;
    if (map_size(heads->known) + map_size(heads->staged) > KNOWN_MAX) clear(&heads->known);
    for (struct known_head *head; (head = map_next(heads->staged, &cursor));) {
        map_remove(heads->staged, head_id(head));
        free(map_put(heads->known, head_id(head), head));
    }
}

void known_heads_forget(struct known_heads *heads) {
    clear(&heads->known);
    clear(&heads->staged);
}
