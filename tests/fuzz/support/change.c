/* SPDX-License-Identifier: Apache-2.0 */
#include "support/change.h"

#include "base/buffer.h"
#include "support/program.h"

enum { CHANGES_MAX = 3 };

/* Replaces, leaves out, doubles or inserts a few bytes, or cuts the text short. */
static void change_once(struct buffer *text, struct program *program) {
    struct buffer changed = {0};
    unsigned how = program_byte(program);
    size_t at = text->len ? (program_byte(program) | (how & 8 ? 256u : 0)) % text->len : 0;
    struct slice before = {text->ptr, at}, after = slice_from(buffer_slice(text), at);
    size_t some = (how >> 4) + 1 < after.len ? (how >> 4) + 1 : after.len;
    buffer_append_slice(&changed, before);
    switch (how & 7) {
        case 0:
        case 1:
            buffer_append_char(&changed, (char)program_byte(program));
            after = slice_from(after, 1);
            break;
        case 2:
            after = slice_from(after, some);
            break;
        case 3:
            buffer_append_slice(&changed, (struct slice){after.ptr, some});
            break;
        case 4:
            for (size_t i = 0; i < some * 64; i++) buffer_append_char(&changed, after.len ? *after.ptr : '[');
            break;
        case 5:
            after = SLICE_NONE;
            break;
        default:
            buffer_append_slice(&changed, program_bytes(program));
    }
    buffer_append_slice(&changed, after);
    buffer_done(text);
    *text = changed;
}

void change(struct buffer *text, struct program *program) {
    unsigned times = program_byte(program);
    if (times < 128) return;
    for (times = times % CHANGES_MAX + 1; times > 0; times--) change_once(text, program);
}
