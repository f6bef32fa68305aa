/* SPDX-License-Identifier: Apache-2.0 */
#include "session/record.h"

#include <stdlib.h>

#include "base/memory.h"

struct away *record_away(struct record *record) {
    if (!record->away) record->away = NEW(struct away);
    return record->away;
}

void record_forget_away(struct record *record) {
    if (record->away) buffer_done(&record->away->rooms);
    free(record->away);
    record->away = NULL;
}

void record_note_had(struct record *record, uint64_t tag, uint64_t until_ms) {
    if (!record->had) record->had = NEW(struct had);
    record->had->until_ms = until_ms;
    buffer_append(&record->had->tags, (const char *)&tag, sizeof tag);
}

bool record_has_had(struct record *record, uint64_t tag, uint64_t now_ms) {
    uint64_t each;
    if (record->had && record->had->until_ms <= now_ms) record_forget_had(record);
    for (size_t at = 0; record->had && at < record->had->tags.len; at += sizeof each) {
        memcpy(&each, record->had->tags.ptr + at, sizeof each);
        if (each == tag) return true;
    }
    return false;
}

void record_forget_had(struct record *record) {
    if (record->had) buffer_done(&record->had->tags);
    free(record->had);
    record->had = NULL;
}

struct slice record_rooms(const struct record *record) {
    return record->away ? buffer_slice(&record->away->rooms) : SLICE_NONE;
}

void record_add_room(struct record *record, struct slice name, uint64_t since_offset) {
    struct buffer *rooms = &record_away(record)->rooms;
    uint16_t len = (uint16_t)name.len;
    buffer_append(rooms, (const char *)&since_offset, sizeof since_offset);
    buffer_append(rooms, (const char *)&len, sizeof len);
    buffer_append_slice(rooms, name);
}

bool record_remove_room(struct record *record, struct slice name) {
    struct slice rest = record_rooms(record), each;
    uint64_t since_offset;
    for (const char *at = rest.ptr; record_next_room(&rest, &each, &since_offset); at = rest.ptr) {
        if (!slice_equal(each, name)) continue;
        struct buffer *rooms = &record->away->rooms;
        size_t begin = (size_t)(at - rooms->ptr);
        memmove(rooms->ptr + begin, rest.ptr, rest.len);
        rooms->len = begin + rest.len;
        return true;
    }
    return false;
}

bool record_next_room(struct slice *rooms, struct slice *name_r, uint64_t *since_offset_r) {
    uint16_t len;
    if (rooms->len == 0) return false;
    memcpy(since_offset_r, rooms->ptr, sizeof *since_offset_r);
    memcpy(&len, rooms->ptr + sizeof *since_offset_r, sizeof len);
    *rooms = slice_from(*rooms, sizeof *since_offset_r + sizeof len);
    *name_r = (struct slice){rooms->ptr, len};
    *rooms = slice_from(*rooms, len);
    return true;
}
