/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to CLUSTER SLOTS: an accepted row is within bounds and has an address to connect to. */
#include <stdint.h>
#include <stdlib.h>

#include "redis/redis_link.h"
#include "redis/redis_slots.h"
#include "redis/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(const struct redis_slots_row *row) {
    struct buffer address = {0};
    char *host;
    uint16_t port;
    if (row->first > row->last || row->last >= REDIS_SLOTS) abort();
    redis_slots_address(row, "asked:6379", &address);
    if (redis_address_split(buffer_slice(&address), &host, &port)) {
        if (port != row->port) abort();
        free(host);
    }
    buffer_done(&address);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct resp_reader *reader = resp_reader_new(65536);
    const struct redis_value *value;
    struct redis_slots_row row;
    resp_reader_feed(reader, (const char *)bytes, len);
    while (resp_reader_next(reader, &value) == RESP_WHOLE)
        for (size_t i = 0; i < value->items_len; i++)
            if (redis_slots_row(&value->items[i], &row)) check(&row);
    resp_reader_free(&reader);
    return 0;
}
