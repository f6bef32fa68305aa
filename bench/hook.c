/* SPDX-License-Identifier: Apache-2.0 */
/* hook CONFIG N: measures the cost of a call to a script, in ns: N times an event whose handler returns at once,
 * through POLICY_EVENT with its JSON in and out, in five rounds (prints the median). The configuration's scripts must
 * answer the event "ping". */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "config/config.h"
#include "loop/loop.h"
#include "lua/config_reader.h"
#include "lua/script_policy.h"
#include "policy/policy.h"
#include "worker/worker.h"

enum { ROUNDS = 5 };

static unsigned answered;

static void done(struct policy_call *call, const struct policy_answer *answer) {
    if (answer->status == POLICY_OK) answered++;
}

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double round_ns(struct worker *worker, unsigned n) {
    double start = now_ns();
    for (unsigned i = 0; i < n; i++) {
        struct policy_call call = {.point = POLICY_EVENT,
                                   .namespace_name = SLICE("/"),
                                   .socket_id = SLICE("AAAAAAAAAAAAAAAAAAAA"),
                                   .name = SLICE("ping"),
                                   .json = SLICE("[\"ping\",{\"channelId\":\"lobby\",\"n\":1}]"),
                                   .wants_answer = true,
                                   .done = done};
        policy_ask(worker->scripts.policy, &call);
        if (i % 64 == 0) loop_turn(worker->loop);
    }
    return (now_ns() - start) / n;
}

int main(int argc, char **argv) {
    struct error error;
    struct worker worker;
    if (argc < 3) return 64;
    unsigned n = (unsigned)atoi(argv[2]);
    struct config *config = config_reader_read(argv[1], (const char *const *)argv + 3, (size_t)argc - 3, &error);
    struct loop *loop = loop_new();
    if (!config || !worker_init(&worker, loop, config, &script_policy_source, 1, NULL, NULL, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    double rounds[ROUNDS];
    round_ns(&worker, n / 10);
    answered = 0;
    for (int i = 0; i < ROUNDS; i++) rounds[i] = round_ns(&worker, n);
    qsort(rounds, ROUNDS, sizeof *rounds, compare);
    printf("%.0f ns a question (%.0f to %.0f), %u answered\n", rounds[ROUNDS / 2], rounds[0], rounds[ROUNDS - 1],
           answered);
    worker_done(&worker, 1000);
    config_unref(&config);
    loop_free(&loop);
    return 0;
}
