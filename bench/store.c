/* SPDX-License-Identifier: Apache-2.0 */
/* bench_store SECONDS OUTSTANDING CHANNELS GLOBAL SHARD…: acknowledged messages per second of the PostgreSQL store, to
 * compare with pgbench (bench/README.md). GLOBAL and SHARD are conninfos of migrated databases. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/loop.h"
#include "store/postgres/store_postgres.h"
#include "store/store.h"

enum { SHARDS_MAX = 16, SAMPLES_MAX = 4000000 };

struct bench {
    struct loop *loop;
    struct store *store;
    unsigned channels, outstanding, waiting, sent, done, failed;
    uint64_t until_us, *took_us;
};

struct message {
    struct bench *bench;
    uint64_t at_us;
};

static void say(struct bench *bench);

static void told(struct store_request *request) {
    struct message *message = request->owner;
    struct bench *bench = message->bench;
    uint64_t now = loop_clock_us(bench->loop);
    if (request->status != STORE_OK)
        bench->failed++;
    else if (bench->done < SAMPLES_MAX)
        bench->took_us[bench->done++] = now - message->at_us;
    free(message);
    bench->waiting--;
    if (now < bench->until_us) say(bench);
    if (bench->waiting == 0) loop_stop(bench->loop);
}

static void say(struct bench *bench) {
    char channel[24], id[24];
    struct message *message = NEW(struct message);
    *message = (struct message){bench, loop_clock_us(bench->loop)};
    struct store_request *request = store_request_new(STORE_APPEND, told, message);
    snprintf(channel, sizeof channel, "bench-%u", (unsigned)rand() % bench->channels);
    snprintf(id, sizeof id, "%x-%u", (unsigned)getpid(), bench->sent++);
    request->channel_id = store_request_copy(request, slice_of(channel));
    request->user_id = store_request_copy(request, SLICE("alice"));
    request->append.client_id = store_request_copy(request, slice_of(id));
    request->append.message_id = store_request_copy(request, slice_of(id));
    request->append.content =
        store_request_copy(request, SLICE("\"hello, this is a message of about fifty bytes, so\""));
    bench->waiting++;
    store_submit(bench->store, &request);
}

static void made(struct store_request *request) {
    struct bench *bench = request->owner;
    if (request->status != STORE_OK) bench->failed++;
    if (--bench->waiting == 0) loop_stop(bench->loop);
}

static void make_channels(struct bench *bench) {
    for (unsigned i = 0; i < bench->channels; i++) {
        char channel[24];
        struct store_request *request = store_request_new(STORE_CHANNEL_PUT, made, bench);
        snprintf(channel, sizeof channel, "bench-%u", i);
        request->channel_id = store_request_copy(request, slice_of(channel));
        bench->waiting++;
        store_submit(bench->store, &request);
        if (bench->waiting == 64 || i + 1 == bench->channels) loop_run(bench->loop);
    }
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void report(struct bench *bench, unsigned seconds) {
    qsort(bench->took_us, bench->done, sizeof *bench->took_us, by_size);
    printf("%u acknowledged/s, %u failed, p50 %.1f ms, p99 %.1f ms\n", bench->done / seconds, bench->failed,
           (double)bench->took_us[bench->done / 2] / 1000, (double)bench->took_us[bench->done * 99ULL / 100] / 1000);
}

int main(int argc, char **argv) {
    struct store_postgres_shard shards[SHARDS_MAX];
    struct error error;
    if (argc < 6 || argc > 5 + SHARDS_MAX) {
        fprintf(stderr, "usage: %s SECONDS OUTSTANDING CHANNELS GLOBAL SHARD…\n", argv[0]);
        return 64;
    }
    unsigned seconds = (unsigned)atoi(argv[1]);
    for (int i = 5; i < argc; i++) shards[i - 5] = (struct store_postgres_shard){.write = argv[i]};
    struct store_postgres_settings settings = {.global = argv[4],
                                               .shards = shards,
                                               .shards_len = (size_t)argc - 5,
                                               .write_max = 6,
                                               .min = 4,
                                               .budget = 100,
                                               .reserve_after_ms = 5000,
                                               .connect_timeout_ms = 5000,
                                               .query_timeout_ms = 5000,
                                               .wait_ms = 2000,
                                               .idle_ms = 600000,
                                               .lifetime_ms = 3600000,
                                               .config = "FILE"};
    struct bench bench = {
        .loop = loop_new(), .outstanding = (unsigned)atoi(argv[2]), .channels = (unsigned)atoi(argv[3])};
    log_set_level(LOG_WARNING);
    bench.took_us = NEW_ARRAY(uint64_t, SAMPLES_MAX);
    bench.store = store_postgres_new(bench.loop, &settings, &error);
    if (!bench.store) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    make_channels(&bench);
    bench.until_us = loop_clock_us(bench.loop) + (uint64_t)seconds * 1000000;
    for (unsigned i = 0; i < bench.outstanding; i++) say(&bench);
    loop_run(bench.loop);
    report(&bench, seconds);
    store_close(&bench.store, 5000);
    loop_free(&bench.loop);
    free(bench.took_us);
    return bench.failed > 0;
}
