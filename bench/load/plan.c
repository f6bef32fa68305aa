/* SPDX-License-Identifier: Apache-2.0 */
#include "load/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "load/dialect.h"
#include "load/wire.h"

static const char USAGE[] =
    "usage: bench_load KEY=VALUE...\n"
    "  port=N dialect=plain|socketio|chat|json [path=/...%u...] [tls=1]\n"
    "  clients=N [channels=1] [publishers=1, of each channel] [slow=0, of each channel] "
    "[bystanders=0, of clients]\n"
    "  [processes=1] [handshakes=200, under way at a time] [warm=0, before memory is looked at first] [storms=0]\n"
    "  [steps=w10,r1000:128@500,...  wN: N outstanding each publisher; rN: N messages/s of all; :BYTES of payload; @MS "
    "instead of measure_ms]\n"
    "  [warmup_ms=1000] [measure_ms=3000] [drain_ms=10000] [connect_ms=60000] [idle_ms=0, before memory is looked at "
    "again]\n"
    "  [pids=N,N, the server's] [tokens=FILE, a line for each client] [json=1] [tell=1, when a step begins]\n";

static void refuse(const char *argument) {
    fprintf(stderr, "bench_load: %s\n%s", argument, USAGE);
    exit(64);
}

static unsigned read_number(const char *text, unsigned least, unsigned most, const char *argument, const char **end_r) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || errno || value < least || value > most) refuse(argument);
    if (end_r) {
        *end_r = end;
    } else if (*end) {
        refuse(argument);
    }
    return (unsigned)value;
}

static void read_steps(struct plan *plan, const char *text, const char *argument) {
    for (const char *at = text;; at++) {
        if (plan->steps_len == PLAN_STEPS_MAX || (*at != 'w' && *at != 'r')) refuse(argument);
        struct step *step = &plan->steps[plan->steps_len++];
        const char *start = at;
        unsigned number = read_number(at + 1, 1, 10 * 1000 * 1000, argument, &at);
        *step = (struct step){.rate = *start == 'r' ? number : 0, .outstanding = *start == 'w' ? number : 0};
        step->payload_bytes = 128;
        if (*at == ':') step->payload_bytes = read_number(at + 1, WIRE_STAMP_LEN, 1 << 20, argument, &at);
        if (*at == '@') step->measure_ms = read_number(at + 1, 1, 600000, argument, &at);
        snprintf(step->name, sizeof step->name, "%.*s", (int)(at - start), start);
        if (!*at) return;
        if (*at != ',') refuse(argument);
    }
}

static void read_pids(struct plan *plan, const char *text, const char *argument) {
    for (const char *at = text;; at++) {
        if (plan->pids_len == PLAN_PIDS_MAX) refuse(argument);
        plan->pids[plan->pids_len++] = (pid_t)read_number(at, 1, 1U << 30, argument, &at);
        if (!*at) return;
        if (*at != ',') refuse(argument);
    }
}

static void read_tokens(struct plan *plan, const char *path, const char *argument) {
    FILE *file = fopen(path, "r");
    if (!file) refuse(argument);
    char *line = NULL;
    size_t size = 0, len = 0;
    for (ssize_t n; (n = getline(&line, &size, file)) > 0; line = NULL, size = 0) {
        if (line[n - 1] == '\n') line[n - 1] = '\0';
        plan->tokens = memory_resize(plan->tokens, (len + 1) * sizeof *plan->tokens);
        plan->tokens[len++] = line;
    }
    free(line);
    fclose(file);
    plan->tokens_len = (unsigned)len;
}

void plan_done(struct plan *plan) {
    for (unsigned i = 0; i < plan->tokens_len; i++) free(plan->tokens[i]);
    free(plan->tokens);
}

static bool read_numbers(struct plan *plan, const char *key, const char *value, const char *argument) {
    const struct {
        const char *key;
        unsigned *number, least, most;
    } numbers[] = {
        {"clients", &plan->clients.count, 1, 1000000},
        {"warm", &plan->clients.warm, 0, 1000000},
        {"channels", &plan->clients.channels, 1, 1000000},
        {"publishers", &plan->clients.publishers, 0, 1000000},
        {"slow", &plan->clients.slow, 0, 1000000},
        {"bystanders", &plan->clients.bystanders, 0, 1000000},
        {"handshakes", &plan->clients.handshakes, 1, 1000000},
        {"storms", &plan->clients.storms, 0, PLAN_STORMS_MAX},
        {"processes", &plan->processes, 1, PLAN_PROCESSES_MAX},
        {"warmup_ms", &plan->warmup_ms, 0, 600000},
        {"measure_ms", &plan->measure_ms, 1, 600000},
        {"drain_ms", &plan->drain_ms, 1, 600000},
        {"connect_ms", &plan->connect_ms, 1, 600000},
        {"idle_ms", &plan->idle_ms, 0, 600000},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(numbers[i].key, key) != 0) continue;
        *numbers[i].number = read_number(value, numbers[i].least, numbers[i].most, argument, NULL);
        return true;
    }
    return false;
}

static void read_argument(struct plan *plan, char *argument) {
    char key[32], *equals = strchr(argument, '=');
    if (!equals || (size_t)(equals - argument) >= sizeof key) refuse(argument);
    snprintf(key, sizeof key, "%.*s", (int)(equals - argument), argument);
    const char *value = equals + 1;
    if (strcmp(key, "port") == 0) {
        plan->port = (uint16_t)read_number(value, 1, 65535, argument, NULL);
    } else if (strcmp(key, "dialect") == 0) {
        plan->dialect = dialect_find(value);
        if (!plan->dialect) refuse(argument);
    } else if (strcmp(key, "path") == 0) {
        plan->path = value;
    } else if (strcmp(key, "steps") == 0) {
        read_steps(plan, value, argument);
    } else if (strcmp(key, "pids") == 0) {
        read_pids(plan, value, argument);
    } else if (strcmp(key, "tokens") == 0) {
        read_tokens(plan, value, argument);
    } else if (strcmp(key, "tell") == 0) {
        plan->tell = read_number(value, 0, 1, argument, NULL) == 1;
    } else if (strcmp(key, "tls") == 0) {
        plan->tls = read_number(value, 0, 1, argument, NULL) == 1;
    } else if (strcmp(key, "json") == 0) {
        plan->json = read_number(value, 0, 1, argument, NULL) == 1;
    } else if (!read_numbers(plan, key, value, argument)) {
        refuse(argument);
    }
}

void plan_read(struct plan *plan, int argc, char **argv) {
    *plan = (struct plan){.clients = {.channels = 1, .publishers = 1, .handshakes = 200},
                          .processes = 1,
                          .warmup_ms = 1000,
                          .measure_ms = 3000,
                          .drain_ms = 10000,
                          .connect_ms = 60000};
    for (int i = 1; i < argc; i++) read_argument(plan, argv[i]);
    const struct plan_clients *clients = &plan->clients;
    if (!plan->port || !plan->dialect || clients->count == 0) refuse("port, dialect and clients are needed");
    if (!plan->path) plan->path = plan->dialect->path;
    for (unsigned i = 0; i < plan->steps_len; i++)
        if (plan->steps[i].measure_ms == 0) plan->steps[i].measure_ms = plan->measure_ms;
    if (plan->tokens && plan->tokens_len < clients->count) refuse("tokens: fewer than clients");
    if (clients->bystanders > clients->count) refuse("bystanders: more than clients");
    if ((clients->count - clients->bystanders) % clients->channels != 0) refuse("clients: not a multiple of channels");
    unsigned members = plan_members(plan);
    if (clients->publishers > members) refuse("publishers: more than members");
    if (plan->steps_len > 0 && clients->publishers == 0) refuse("steps need publishers");
    if ((uint64_t)clients->channels * clients->publishers > WIRE_PUBLISHERS_MAX) refuse("more than 65536 publishers");
    if (clients->publishers > 0 && clients->slow >= members / clients->publishers) refuse("slow: too many");
    if (clients->warm > clients->count) refuse("warm: more than clients");
}

unsigned plan_members(const struct plan *plan) {
    return (plan->clients.count - plan->clients.bystanders) / plan->clients.channels;
}

unsigned plan_channel_of(const struct plan *plan, unsigned client) {
    return client / plan_members(plan);
}

unsigned plan_client_of(const struct plan *plan, unsigned publisher) {
    unsigned channel = publisher / plan->clients.publishers, place = publisher % plan->clients.publishers;
    return channel * plan_members(plan) + place * (plan_members(plan) / plan->clients.publishers);
}

int plan_publisher_of(const struct plan *plan, unsigned client) {
    unsigned publishers = plan->clients.publishers;
    if (!plan_is_member(plan, client)) return -1;
    unsigned apart = plan_members(plan) / publishers, place = client % plan_members(plan);
    if (place % apart != 0 || place / apart >= publishers) return -1;
    return (int)(plan_channel_of(plan, client) * publishers + place / apart);
}

bool plan_is_member(const struct plan *plan, unsigned client) {
    return plan->clients.publishers > 0 && client < plan->clients.count - plan->clients.bystanders;
}

bool plan_is_slow(const struct plan *plan, unsigned client) {
    return plan_is_member(plan, client) && client % plan_members(plan) >= plan_members(plan) - plan->clients.slow;
}

unsigned plan_publisher_of_turn(const struct plan *plan, uint64_t turn) {
    unsigned channels = plan->clients.channels;
    return (unsigned)(turn % channels) * plan->clients.publishers +
           (unsigned)(turn / channels % plan->clients.publishers);
}
