/* SPDX-License-Identifier: Apache-2.0 */
#include "command/findings.h"

#include <inttypes.h>

#include "base/buffer.h"
#include "wire/json.h"
#include "wire/utf8.h"

/* Escapes ids: a client's id must not control the terminal, and damaged text may not be UTF-8. */
static void append_shown(struct buffer *out, struct slice text) {
    bool is_text = utf8_valid(text);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte < 0x20 || byte == 0x7f || (byte > 0x7f && !is_text))
            buffer_printf(out, "\\x%02x", byte);
        else
            buffer_append_char(out, (char)byte);
    }
}

static void write_member(struct buffer *out, const char *key, struct slice text) {
    struct buffer shown = {0};
    if (!utf8_valid(text)) append_shown(&shown, text);
    buffer_printf(out, ",\"%s\":", key);
    json_write_string(out, shown.len ? buffer_slice(&shown) : text);
    buffer_done(&shown);
}

static void write_json(struct buffer *out, const struct verify_finding *finding) {
    buffer_append_str(out, "{\"kind\":");
    json_write_string(out, slice_of(finding->kind));
    if (finding->place[0]) write_member(out, "place", slice_of(finding->place));
    if (finding->channel_id.len) write_member(out, "channel", finding->channel_id);
    if (finding->seq) buffer_printf(out, ",\"seq\":%" PRId64, finding->seq);
    write_member(out, "text", slice_of(finding->text));
    buffer_append_str(out, "}\n");
}

static void write_line(struct buffer *out, const struct verify_finding *finding) {
    if (finding->place[0]) buffer_printf(out, "%s: ", finding->place);
    if (finding->channel_id.len) {
        buffer_append_str(out, "channel ");
        append_shown(out, finding->channel_id);
        buffer_append_str(out, ": ");
    }
    append_shown(out, slice_of(finding->text));
    buffer_printf(out, " [%s]\n", finding->kind);
}

static void found(void *owner, const struct verify_finding *finding) {
    struct findings *findings = owner;
    struct buffer line = {0};
    if (findings->verify.findings > FINDINGS_SHOWN) return;
    progress_done(&findings->progress);
    if (findings->json)
        write_json(&line, finding);
    else
        write_line(&line, finding);
    fwrite(line.ptr, 1, line.len, findings->out);
    buffer_done(&line);
}

static bool moved(void *owner, const struct verify *verify) {
    struct findings *findings = owner;
    progress_show(&findings->progress, "%s%sverified: %" PRIu64 " channels, %" PRIu64 " events", verify->place,
                  verify->place[0] ? ": " : "", verify->channels, verify->events);
    return !findings->is_wanted || findings->is_wanted(findings->owner);
}

void findings_init(struct findings *findings, FILE *out, bool json) {
    *findings = (struct findings){.out = out, .json = json};
    findings->verify = (struct verify){.found = found, .moved = moved, .owner = findings, .place = ""};
    progress_init(&findings->progress);
}

void findings_done(struct findings *findings) {
    progress_done(&findings->progress);
    if (findings->verify.findings > FINDINGS_SHOWN && !findings->json)
        fprintf(findings->out, "%" PRIu64 " more\n", findings->verify.findings - FINDINGS_SHOWN);
}
