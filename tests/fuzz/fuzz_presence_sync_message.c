/* SPDX-License-Identifier: Apache-2.0 */
/* An accepted message lies within the bytes, and writes back to the same bytes. */
#include <stdlib.h>

#include "presence/presence_sync_message.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static bool write_again(enum presence_sync_kind kind, struct slice body, struct buffer *out) {
    struct presence_sync_tell tell;
    struct presence_sync_entry entry;
    struct presence_word word;
    struct slice asked, entries;
    struct presence_sync_digest digest;
    struct presence_sync_listed listed;
    uint64_t sums[PRESENCE_SYNC_BUCKETS], buckets;
    switch (kind) {
        case PRESENCE_SYNC_ASK:
            if (!presence_sync_read_ask(body, &asked)) return false;
            presence_sync_write_ask(out, asked);
            return true;
        case PRESENCE_SYNC_TELL:
        case PRESENCE_SYNC_PASS:
            if (!presence_sync_read_tell(body, &tell)) return false;
            presence_sync_write_tell(out, kind, &tell);
            while (tell.entries.len > 0) {
                if (!presence_sync_read_entry(&tell.entries, &entry)) abort();
                presence_sync_write_entry(out, &entry);
            }
            return true;
        case PRESENCE_SYNC_WORD:
            if (!presence_sync_read_word(body, &word)) return false;
            presence_sync_write_word(out, &word);
            return true;
        case PRESENCE_SYNC_DIGEST:
            if (!presence_sync_read_digest(body, &digest)) return false;
            presence_sync_write_digest(out, &digest);
            return true;
        case PRESENCE_SYNC_COMPARE:
            if (!presence_sync_read_compare(body, sums)) return false;
            presence_sync_write_compare(out, sums);
            return true;
        case PRESENCE_SYNC_LIST:
            if (!presence_sync_read_list(body, &buckets, &entries)) return false;
            presence_sync_write_list(out, buckets);
            while (entries.len > 0) {
                if (!presence_sync_read_listed(&entries, &listed)) abort();
                presence_sync_write_listed(out, &listed);
            }
            return true;
        default:
            return false;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct slice given = {(const char *)bytes, len}, body = given;
    struct buffer again = {0};
    enum presence_sync_kind kind = presence_sync_read_kind(&body);
    if (write_again(kind, body, &again) && !slice_equal(buffer_slice(&again), given)) abort();
    buffer_done(&again);
    return 0;
}
