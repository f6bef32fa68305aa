/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/deflate_offer.h"

#include <strings.h>

#include "wire/http_head.h"

enum { WINDOW_LEAST = 8, WINDOW_MOST = 15 };

/* What is left of a field. */
struct cursor {
    const char *at, *end;
};

struct parameter {
    struct slice name, value; /* value.ptr NULL: none */
};

static void skip_space(struct cursor *cursor) {
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t')) cursor->at++;
}

static bool take(struct cursor *cursor, char c) {
    skip_space(cursor);
    if (cursor->at == cursor->end || *cursor->at != c) return false;
    cursor->at++;
    return true;
}

static bool take_token(struct cursor *cursor, struct slice *token_r) {
    skip_space(cursor);
    const char *begin = cursor->at;
    while (cursor->at < cursor->end && http_head_is_token_char((unsigned char)*cursor->at)) cursor->at++;
    *token_r = (struct slice){begin, (size_t)(cursor->at - begin)};
    return token_r->len > 0;
}

/* A quoted value must be a token within its quotes; none of those that have a meaning here needs an escape. */
static bool take_value(struct cursor *cursor, struct slice *value_r) {
    bool is_quoted = take(cursor, '"');
    if (!take_token(cursor, value_r)) return false;
    return !is_quoted || (cursor->at < cursor->end && *cursor->at++ == '"');
}

static bool take_parameter(struct cursor *cursor, struct parameter *parameter_r) {
    *parameter_r = (struct parameter){0};
    if (!take_token(cursor, &parameter_r->name)) return false;
    return !take(cursor, '=') || take_value(cursor, &parameter_r->value);
}

static bool same(struct slice token, const char *name) {
    return token.len == strlen(name) && strncasecmp(token.ptr, name, token.len) == 0;
}

/* 0: not one (section 7.1.2: digits without a leading zero). */
static unsigned window_bits(struct slice value) {
    unsigned bits = 0;
    if (value.len < 1 || value.len > 2 || value.ptr[0] == '0') return 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9') return 0;
        bits = bits * 10 + (unsigned)(value.ptr[i] - '0');
    }
    return bits >= WINDOW_LEAST && bits <= WINDOW_MOST ? bits : 0;
}

enum { SERVER_RESETS = 1, CLIENT_RESETS = 2, SERVER_WINDOW = 4, CLIENT_WINDOW = 8 };

/* Section 7.1. 0: unknown parameter, or an invalid value. */
static unsigned parameter_of(const struct parameter *parameter, unsigned *bits_r) {
    bool bare = !parameter->value.ptr;
    if (same(parameter->name, "server_no_context_takeover")) return bare ? SERVER_RESETS : 0;
    if (same(parameter->name, "client_no_context_takeover")) return bare ? CLIENT_RESETS : 0;
    *bits_r = bare ? 0 : window_bits(parameter->value);
    if (same(parameter->name, "server_max_window_bits")) return *bits_r ? SERVER_WINDOW : 0;
    if (same(parameter->name, "client_max_window_bits")) return bare || *bits_r ? CLIENT_WINDOW : 0;
    return 0;
}

/* One extension with its parameters. */
static bool read_offer(struct cursor *cursor, struct deflate_offer *offer) {
    struct slice extension;
    if (!take_token(cursor, &extension)) return false;
    struct deflate_offer read = {.accepted = same(extension, "permessage-deflate"), .reads_all = true};
    for (unsigned seen = 0; take(cursor, ';');) {
        struct parameter parameter;
        unsigned bits = 0;
        if (!take_parameter(cursor, &parameter)) return false;
        unsigned which = parameter_of(&parameter, &bits);
        if (!which || seen & which) read.accepted = false; /* section 7.1: twice is as bad as unknown */
        seen |= which;
        if (which == SERVER_WINDOW) read.window_bits = bits;
    }
    read.reads_all = read.window_bits == 0 || read.window_bits == WINDOW_MOST;
    if (read.accepted && !offer->accepted) *offer = read;
    return true;
}

bool deflate_offer_read(struct slice value, struct deflate_offer *offer) {
    struct cursor cursor = {value.ptr, slice_end(value)};
    do {
        skip_space(&cursor);
        if (cursor.at == cursor.end || *cursor.at == ',') continue; /* an empty item says nothing */
        if (!read_offer(&cursor, offer)) return false;
    } while (take(&cursor, ','));
    return cursor.at == cursor.end;
}

void deflate_offer_answer(const struct deflate_offer *offer, struct buffer *out) {
    if (!offer->accepted) return;
    buffer_append_str(out,
                      "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; "
                      "client_no_context_takeover");
    if (offer->window_bits) buffer_printf(out, "; server_max_window_bits=%u", offer->window_bits);
    buffer_append_str(out, "\r\n");
}
