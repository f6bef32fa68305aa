#include "limit/admission.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/memory.h"

enum { STATE_BYTES = 4 * 1024 * 1024, FULL_RETRY_S = 5 };

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

/* Who is to be counted as one: an IPv4 address (also one that is written as IPv6), an IPv6 network of 64 bits. */
static struct slice prefix_of(const char *address, struct in6_addr *bytes) {
    struct in_addr four;
    if (inet_pton(AF_INET, address, &four) == 1) {
        memcpy(bytes, &four, sizeof four);
        return (struct slice){(const char *)bytes, sizeof four};
    }
    if (inet_pton(AF_INET6, address, bytes) != 1) return slice_of(address);
    if (IN6_IS_ADDR_V4MAPPED(bytes)) return (struct slice){(const char *)bytes + 12, 4};
    return (struct slice){(const char *)bytes, 8};
}

static struct admission_verdict refuse(const struct admission_control *control, const char *why, uint64_t wait_ms) {
    uint64_t seconds = (wait_ms + 999) / 1000 + arc4random_uniform(control->settings.spread_s + 1);
    return (struct admission_verdict){why, seconds > 0 ? (unsigned)seconds : 1};
}

struct admission_verdict admission_ask(struct admission_control *control, const char *address, unsigned open) {
    const struct admission_settings *settings = &control->settings;
    if (settings->connections > 0 && open >= settings->connections) return refuse(control, "full", FULL_RETRY_S * 1000);
    struct in6_addr bytes;
    struct limit_ask asks[2];
    size_t len = 0;
    if (settings->rate.count > 0)
        asks[len++] = (struct limit_ask){.name = SLICE("rate"), .rate = settings->rate, .cost = 1};
    if (settings->address_rate.count > 0)
        asks[len++] = (struct limit_ask){
            .name = SLICE("address"), .key = prefix_of(address, &bytes), .rate = settings->address_rate, .cost = 1};
    struct limit_answer answer =
        len > 0 ? limiter_take(control->limiter, asks, len) : (struct limit_answer){.allowed = true};
    if (answer.allowed) return (struct admission_verdict){0};
    return refuse(control, asks[answer.refused_by].name.ptr, answer.retry_after_ms);
}
