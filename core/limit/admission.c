#include "limit/admission.h"

#include <stdlib.h>

#include "base/address.h"

enum { STATE_BYTES = 4 * 1024 * 1024, FULL_RETRY_S = 5, IPV6_BITS = 64 };

struct admission_control {
    struct admission_settings settings;
    struct limiter *limiter;
};

struct admission_control *admission_new(struct loop *loop, const struct admission_settings *settings) {
    struct admission_control *control = NEW(struct admission_control);
    control->settings = *settings;
    control->limiter = limiter_new(loop, STATE_BYTES);
    return control;
}

void admission_free(struct admission_control **control) {
    if (!*control) return;
    limiter_free(&(*control)->limiter);
    free(*control);
    *control = NULL;
}

void admission_set(struct admission_control *control, const struct admission_settings *settings) {
    control->settings = *settings;
}

const struct admission_settings *admission_settings_of(const struct admission_control *control) {
    return &control->settings;
}

static struct slice key_of(const struct network *crowd) {
    return (struct slice){(const char *)&crowd->address, sizeof crowd->address};
}

static struct admission_verdict refuse(const struct admission_control *control, const char *why, uint64_t wait_ms) {
    uint64_t seconds = (wait_ms + 999) / 1000 + arc4random_uniform(control->settings.spread_s + 1);
    return (struct admission_verdict){why, seconds > 0 ? (unsigned)seconds : 1};
}

struct admission_verdict admission_ask(struct admission_control *control, const struct address *address,
                                       unsigned open) {
    const struct admission_settings *settings = &control->settings;
    if (settings->connections > 0 && open >= settings->connections) return refuse(control, "full", FULL_RETRY_S * 1000);
    struct network crowd = network_of(address, address->len == 4 ? 32 : IPV6_BITS);
    struct limit_ask asks[2];
    size_t len = 0;
    if (settings->rate.count > 0)
        asks[len++] = (struct limit_ask){.name = SLICE("rate"), .rate = settings->rate, .cost = 1};
    if (settings->address_rate.count > 0)
        asks[len++] = (struct limit_ask){
            .name = SLICE("address"), .key = key_of(&crowd), .rate = settings->address_rate, .cost = 1};
    struct limit_answer answer =
        len > 0 ? limiter_take(control->limiter, asks, len) : (struct limit_answer){.allowed = true};
    if (answer.allowed) return (struct admission_verdict){0};
    return refuse(control, asks[answer.refused_by].name.ptr, answer.retry_after_ms);
}
