/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/topic.h"

#include <ctype.h>

#include "base/ids.h"
#include "channel/log.h"

static const struct slice main_namespace = {"/", 1};

/* Judges by the form alone, so that all workers agree. */
static bool is_socket_id(struct slice room) {
    if (room.len != ID_SOCKET_LEN) return false;
    for (size_t i = 0; i < room.len; i++) {
        char c = room.ptr[i];
        if (!isalnum((unsigned char)c) && c != '-' && c != '_') return false;
    }
    return true;
}

bool topic_write_room(struct buffer *out, struct slice namespace_name, struct slice room) {
    if (is_socket_id(room)) return false;
    buffer_append_slice(out, namespace_name);
    buffer_append_char(out, '#');
    buffer_append_slice(out, room);
    return true;
}

void topic_write_channel(struct buffer *out, struct slice channel_id) {
    buffer_append_slice(out, main_namespace);
    buffer_append_char(out, '#');
    channel_room_name(out, channel_id);
}

void topic_write_user(struct buffer *out, struct slice user_id) {
    buffer_append_char(out, '@');
    buffer_append_slice(out, user_id);
}

void topic_write_worker(struct buffer *out, struct slice name) {
    buffer_append_char(out, '!');
    buffer_append_slice(out, name);
}

struct slice topic_channel(struct slice topic) {
    static const struct slice prefix = {"/#channel:", 10};
    if (topic.len <= prefix.len || memcmp(topic.ptr, prefix.ptr, prefix.len) != 0) return SLICE_NONE;
    return slice_from(topic, prefix.len);
}

struct slice topic_user(struct slice topic) {
    return topic.len > 1 && topic.ptr[0] == '@' ? slice_from(topic, 1) : SLICE_NONE;
}
