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
