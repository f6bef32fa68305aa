/* What is taken lies within the bytes, and writes back as it came. */
#include <stdlib.h>

#include "channel/gossip_message.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static bool write_again(enum gossip_kind kind, struct slice body, struct buffer *out) {
    struct gossip_tell tell;
    struct gossip_entry entry;
    struct presence_word word;
    struct slice asked, entries;
    struct gossip_digest digest;
    struct gossip_listed listed;
    uint64_t sums[GOSSIP_BUCKETS], buckets;
    switch (kind) {
        case GOSSIP_ASK:
            if (!gossip_read_ask(body, &asked)) return false;
            gossip_write_ask(out, asked);
            return true;
        case GOSSIP_TELL:
        case GOSSIP_PASS:
            if (!gossip_read_tell(body, &tell)) return false;
            gossip_write_tell(out, kind, &tell);
            while (tell.entries.len > 0) {
                if (!gossip_read_entry(&tell.entries, &entry)) abort();
                gossip_write_entry(out, &entry);
            }
            return true;
        case GOSSIP_WORD:
            if (!gossip_read_word(body, &word)) return false;
            gossip_write_word(out, &word);
            return true;
        case GOSSIP_DIGEST:
            if (!gossip_read_digest(body, &digest)) return false;
            gossip_write_digest(out, &digest);
            return true;
        case GOSSIP_COMPARE:
            if (!gossip_read_compare(body, sums)) return false;
            gossip_write_compare(out, sums);
            return true;
        case GOSSIP_LIST:
            if (!gossip_read_list(body, &buckets, &entries)) return false;
            gossip_write_list(out, buckets);
            while (entries.len > 0) {
                if (!gossip_read_listed(&entries, &listed)) abort();
                gossip_write_listed(out, &listed);
            }
            return true;
        default:
            return false;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct slice given = {(const char *)bytes, len}, body = given;
    struct buffer again = {0};
    enum gossip_kind kind = gossip_read_kind(&body);
    if (write_again(kind, body, &again) && !slice_equal(buffer_slice(&again), given)) abort();
    buffer_done(&again);
    return 0;
}
