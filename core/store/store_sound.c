/* SPDX-License-Identifier: Apache-2.0 */
/* What may be asked of a store, of any driver and by any caller. */
#include "store/store_json.h"
#include "wire/json.h"
#include "wire/user_id.h"
#include "wire/utf8.h"

static bool is_text(struct slice text) {
    return text.len == 0 || (!memchr(text.ptr, '\0', text.len) && utf8_valid(text));
}

static bool is_json(struct slice text) {
    return text.len == 0 || (json_valid(text) && is_text(text));
}

static bool is_array(struct slice text) {
    return json_valid(text) && json_type_of(text) == JSON_ARRAY;
}

/* Those of texts come before a database's own: the keys of an index are bounded there, and rows that are sent together
 * fail together. */
enum { NAME_MAX_BYTES = 1024, WORD_MAX_BYTES = 64, AVATAR_MAX_BYTES = 4096, TOKEN_MAX_BYTES = 4096 };
enum { LIST_MAX_BYTES = 1 << 20, DETAIL_MAX_BYTES = 64 << 10, CONTENT_MAX_BYTES = 16 << 20 };

static size_t text_max(enum store_op op) {
    switch (op) {
        case STORE_APPEND:
        case STORE_APPENDED:
            return STORE_EMOJI_MAX;
        case STORE_USER_PUT:
            return AVATAR_MAX_BYTES;
        case STORE_USERS:
        case STORE_USERS_SEEN:
            return LIST_MAX_BYTES;
        case STORE_AUDIT:
            return DETAIL_MAX_BYTES;
        default: /* a role, a visibility */
            return WORD_MAX_BYTES;
    }
}

_Static_assert((int)STORE_USER_ID_MAX == (int)USER_ID_MAX, "whoever may come in can be kept");

static bool is_bounded(const struct store_request *request) {
    return request->channel_id.len <= STORE_ID_MAX && request->user_id.len <= STORE_USER_ID_MAX &&
           request->client_id.len <= STORE_ID_MAX && request->message_id.len <= STORE_ID_MAX &&
           request->thread_id.len <= STORE_ID_MAX && request->name.len <= NAME_MAX_BYTES &&
           request->token.len <= TOKEN_MAX_BYTES && request->epoch.len < STORE_EPOCH_MAX &&
           request->text.len <= text_max(request->op) && request->content.len <= CONTENT_MAX_BYTES &&
           request->attachments.len <= CONTENT_MAX_BYTES;
}

static bool append_is_sound(const struct store_request *request) {
    if (request->user_id.len == 0 || request->message_id.len == 0) return false;
    if (request->message_id.len > STORE_MESSAGE_ID_MAX) return false;
    switch (request->kind) {
        case STORE_MESSAGE_NEW:
            return request->content.len > 0 && (request->attachments.len == 0 || is_array(request->attachments));
        case STORE_EDIT:
            return request->content.len > 0;
        case STORE_DELETE:
            return true;
        case STORE_REACTION_ADD:
        case STORE_REACTION_REMOVE:
            return request->text.len > 0;
    }
    return false;
}

/* The fields without which an operation means nothing. */
static bool has_what_it_needs(const struct store_request *request) {
    size_t channel = request->channel_id.len, user = request->user_id.len;
    switch (request->op) {
        case STORE_APPEND:
            return channel && append_is_sound(request);
        case STORE_APPENDED:
            return channel && user && request->client_id.len;
        case STORE_EVENTS:
            return channel && request->seq >= 0;
        case STORE_MESSAGES:
        case STORE_CHANNEL_PUT:
        case STORE_CHANNEL:
        case STORE_MEMBERS:
            return channel;
        case STORE_MESSAGE:
            return channel && request->message_id.len;
        case STORE_MEMBER_PUT:
            return channel && user && request->text.len;
        case STORE_MEMBER_DELETE:
        case STORE_MEMBER:
            return channel && user;
        case STORE_READ_MARK:
            return channel && user && request->seq >= 0;
        case STORE_USER_CHANNELS:
        case STORE_USER_PUT:
        case STORE_WORD_PUT:
        case STORE_WORD:
            return user;
        case STORE_USERS:
        case STORE_USERS_SEEN:
            return is_array(request->text);
        case STORE_SESSION_PUT:
            return request->token.len && user;
        case STORE_SESSION:
        case STORE_SESSION_DELETE:
            return request->token.len;
        case STORE_AUDIT:
            return request->name.len && is_json(request->text);
        case STORE_HEADS:
        case STORE_AUDITS:
        case STORE_PROBE:
            return true;
    }
    return false;
}

bool store_channel_id_sound(struct slice channel_id) {
    return channel_id.len > 0 && channel_id.len <= STORE_ID_MAX && is_text(channel_id);
}

bool store_list_id(struct slice item, size_t most, struct buffer *id) {
    buffer_clear(id);
    if (json_type_of(item) == JSON_STRING) json_string(item, id);
    return id->len > 0 && id->len <= most && !memchr(id->ptr, '\0', id->len);
}

bool store_request_sound(const struct store_request *request) {
    return is_bounded(request) && is_text(request->epoch) && is_text(request->channel_id) &&
           is_text(request->user_id) && is_text(request->client_id) && is_text(request->message_id) &&
           is_text(request->thread_id) && is_text(request->name) && is_text(request->text) &&
           is_json(request->content) && is_json(request->attachments) && has_what_it_needs(request);
}
