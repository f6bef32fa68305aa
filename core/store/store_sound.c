/* SPDX-License-Identifier: Apache-2.0 */
/* Checks requests to a store, for every driver and caller. */
#include "store/store_sound.h"

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

/* Bounds for texts apply before the database's own: index keys are bounded there, and one bad row fails its whole
 * batch. */
enum { NAME_MAX_BYTES = 1024, WORD_MAX_BYTES = 64, AVATAR_MAX_BYTES = 4096, TOKEN_MAX_BYTES = 4096 };
enum { DETAIL_MAX_BYTES = 64 << 10, CONTENT_MAX_BYTES = 16 << 20 };

_Static_assert((int)STORE_USER_ID_MAX == (int)USER_ID_MAX, "whoever may come in can be kept");

/* Empty, or text of at most that many bytes. */
static bool is_within(struct slice text, size_t most) {
    return text.len <= most && is_text(text);
}

static bool append_is_sound(const struct store_append *append) {
    return is_within(append->client_id, STORE_ID_MAX) && is_within(append->message_id, STORE_ID_MAX) &&
           is_within(append->thread_id, STORE_ID_MAX) && is_within(append->emoji, STORE_EMOJI_MAX) &&
           append->content.len <= CONTENT_MAX_BYTES && is_json(append->content) &&
           append->attachments.len <= CONTENT_MAX_BYTES && is_json(append->attachments);
}

/* Are the fields that this kind requires there? */
static bool append_is_whole(const struct store_append *append) {
    if (append->message_id.len == 0 || append->message_id.len > STORE_MESSAGE_ID_MAX) return false;
    switch (append->kind) {
        case STORE_MESSAGE_NEW:
            return append->content.len > 0 && (append->attachments.len == 0 || is_array(append->attachments));
        case STORE_EDIT:
            return append->content.len > 0;
        case STORE_DELETE:
            return true;
        case STORE_REACTION_ADD:
        case STORE_REACTION_REMOVE:
            return append->emoji.len > 0;
    }
    return false;
}

static bool is_token(const struct store_session *session) {
    return session->token.len > 0 && is_within(session->token, TOKEN_MAX_BYTES);
}

static bool audit_is_sound(const struct store_audit *audit) {
    return audit->action.len > 0 && is_within(audit->action, NAME_MAX_BYTES) && audit->detail.len <= DETAIL_MAX_BYTES &&
           is_json(audit->detail);
}

static bool part_is_sound(const struct store_request *request) {
    size_t channel = request->channel_id.len, user = request->user_id.len;
    switch (request->op) {
        case STORE_APPEND:
            return channel && user && append_is_sound(&request->append) && append_is_whole(&request->append);
        case STORE_APPENDED:
            return channel && user && request->append.client_id.len && append_is_sound(&request->append);
        case STORE_EVENTS:
            return channel && request->events.seq >= 0 && is_within(request->events.epoch, STORE_EPOCH_MAX - 1);
        case STORE_MESSAGES:
            return channel && is_within(request->messages.message_id, STORE_ID_MAX);
        case STORE_MESSAGE:
            return channel && request->messages.message_id.len && is_within(request->messages.message_id, STORE_ID_MAX);
        case STORE_CHANNEL_PUT:
            return channel && is_within(request->channel.name, NAME_MAX_BYTES) &&
                   is_within(request->channel.visibility, WORD_MAX_BYTES);
        case STORE_CHANNEL:
        case STORE_MEMBERS:
            return channel;
        case STORE_MEMBER_PUT:
            return channel && user && request->member.role.len && is_within(request->member.role, WORD_MAX_BYTES);
        case STORE_MEMBER_DELETE:
        case STORE_MEMBER:
            return channel && user;
        case STORE_READ_MARK:
            return channel && user && request->member.read_seq >= 0;
        case STORE_USER_CHANNELS:
            return user;
        case STORE_USER_PUT:
            return user && is_within(request->user.name, NAME_MAX_BYTES) &&
                   is_within(request->user.avatar, AVATAR_MAX_BYTES);
        case STORE_WORD_PUT:
            return user && is_within(request->word.status, WORD_MAX_BYTES) &&
                   is_within(request->word.message, NAME_MAX_BYTES);
        case STORE_SESSION_PUT:
            return user && is_token(&request->session);
        case STORE_SESSION:
        case STORE_SESSION_DELETE:
            return is_token(&request->session);
        case STORE_AUDIT:
            return audit_is_sound(&request->audit);
        case STORE_HEADS:
        case STORE_USERS:
        case STORE_USERS_SEEN:
        case STORE_WORDS:
        case STORE_AUDITS:
        case STORE_PROBE:
            return true;
    }
    return false;
}

bool store_id_sound(struct slice id, size_t most) {
    return id.len > 0 && is_within(id, most);
}

bool store_request_sound(const struct store_request *request) {
    return is_within(request->channel_id, STORE_ID_MAX) && is_within(request->user_id, STORE_USER_ID_MAX) &&
           part_is_sound(request);
}
