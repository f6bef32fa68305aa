/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "loop/loop_uv.h"
#include "loop/resolver.h"
#include "net/dial_context.h"
#include "net/dial_url.h"
#include "wire/utf8.h"
#include "wire/websocket_reader.h"

struct dialer {
    struct loop *loop;
    struct dial_context context;
    struct resolver *resolver; /* NULL: no name was asked for yet */
    struct list dials;
    unsigned len;
};

enum dial_state {
    DIAL_RESOLVING,
    DIAL_CONNECTING, /* to the end of the handshake */
    DIAL_OPEN,
    DIAL_CLOSING, /* queued messages leave, then our Close frame; then the peer's is awaited */
    DIAL_ENDED
};

struct dial_message {
    struct list link;
    bool binary;
    struct buffer bytes; /* outgoing: after LWS_PRE free bytes */
};

struct dial_queue {
    struct list messages;
    size_t bytes;
    bool is_full; /* the sender waits for room; or reading has stopped */
};

/* Addresses, tried one after the other. */
struct dial_addresses {
    struct sockaddr_storage all[RESOLVER_ADDRESSES];
    size_t len, next;
};

struct dial_closing {
    uint16_t code; /* of the first Close frame; 0: none */
    struct buffer reason;
    bool is_sent;
};

struct dial {
    struct list link;
    struct dialer *dialer;
    const struct dial_events *events; /* NULL: forgotten */
    void *owner;
    enum dial_state state;
    struct dial_url url;
    struct lws_vhost *vhost;
    struct lws *wsi; /* NULL: no connection */
    struct resolver_question question;
    struct dial_addresses addresses;
    char *protocols, *protocol;
    struct buffer headers, partial; /* partial: an incomplete inbound message */
    bool untrusted, wants_end;
    size_t max_message_bytes, queue_bytes;
    struct dial_queue out, in;
    struct dial_closing closing;
    struct loop_timer deadline;
    struct loop_task task, reap;
};

static void set_state(struct dial *dial, enum dial_state state) {
    static const char *const names[] = {"resolving", "connecting", "open", "closing", "ended"};
    LOG(LOG_DEBUG, "dial.state", LOG_TEXT("host", dial->url.host_field), LOG_TEXT("from", names[dial->state]),
        LOG_TEXT("to", names[state]));
    dial->state = state;
}

static const lws_retry_bo_t no_validity_timers = {0};

/* ---- queues */

static void queue_push(struct dial_queue *queue, struct buffer *bytes, size_t len, bool binary) {
    struct dial_message *message = NEW(struct dial_message);
    *message = (struct dial_message){.binary = binary, .bytes = *bytes};
    *bytes = (struct buffer){0};
    list_append(&queue->messages, &message->link);
    queue->bytes += len;
}

static struct dial_message *queue_pop(struct dial_queue *queue, size_t before) {
    struct list *link = list_pop(&queue->messages);
    struct dial_message *message = link ? CONTAINER(link, struct dial_message, link) : NULL;
    if (message) queue->bytes -= message->bytes.len - before;
    return message;
}

static void message_free(struct dial_message *message) {
    buffer_done(&message->bytes);
    free(message);
}

static void queue_done(struct dial_queue *queue, size_t before) {
    struct dial_message *message;
    while ((message = queue_pop(queue, before))) message_free(message);
}

/* ---- the end */

static void reap(struct loop_task *task) {
    struct dial *dial = CONTAINER(task, struct dial, reap);
    dial_url_done(&dial->url);
    free(dial->protocols);
    free(dial->protocol);
    buffer_done(&dial->headers);
    buffer_done(&dial->partial);
    buffer_done(&dial->closing.reason);
    queue_done(&dial->out, LWS_PRE);
    queue_done(&dial->in, 0);
    free(dial);
}

static void ended(struct dial *dial, enum dial_end end) {
    const struct dial_events *events = dial->events;
    if (dial->state == DIAL_ENDED) return;
    set_state(dial, DIAL_ENDED);
    dial->events = NULL;
    if (dial->wsi) lws_set_opaque_user_data(dial->wsi, NULL);
    dial->wsi = NULL;
    resolver_forget(&dial->question);
    loop_timer_cancel(&dial->deadline);
    loop_task_cancel(&dial->task);
    list_remove(&dial->link);
    dial->dialer->len--;
    loop_reap(dial->dialer->loop, &dial->reap);
    if (events)
        events->closed(dial->owner, end, dial->closing.code ? dial->closing.code : 1006,
                       buffer_slice(&dial->closing.reason));
}

/* Not within a callback of libwebsockets. */
static void cut(struct dial *dial, enum dial_end end) {
    struct lws *wsi = dial->wsi;
    struct loop *loop = dial->dialer->loop;
    ended(dial, end);
    if (wsi && lws_partial_buffered(wsi)) shutdown(lws_get_socket_fd(wsi), SHUT_RDWR); /* else lws waits for it */
    if (wsi) lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    loop_uv_wake(loop);
}

static void deadline_passed(struct loop_timer *timer) {
    struct dial *dial = CONTAINER(timer, struct dial, deadline);
    cut(dial, dial->state < DIAL_OPEN ? DIAL_TIMED_OUT : DIAL_CLOSED);
}

static void want_writable(struct dial *dial) {
    if (dial->wsi) lws_callback_on_writable(dial->wsi);
    loop_uv_wake(dial->dialer->loop);
}

static void say(struct dial *dial, uint16_t code, struct slice reason) {
    if (dial->closing.code) return; /* the first one counts */
    dial->closing.code = code;
    buffer_append(&dial->closing.reason, reason.ptr,
                  reason.len < WEBSOCKET_REASON_MAX ? reason.len : WEBSOCKET_REASON_MAX);
}

void dial_close(struct dial *dial, uint16_t code, struct slice reason) {
    if (dial->state >= DIAL_CLOSING) return;
    say(dial, code, reason);
    loop_timer_set(&dial->deadline, DIAL_CLOSE_MS);
    if (dial->state < DIAL_OPEN) {
        dial->wants_end = true; /* later: no callback within this call */
        loop_task_cancel(&dial->task);
        loop_post(dial->dialer->loop, &dial->task);
        return;
    }
    set_state(dial, DIAL_CLOSING);
    want_writable(dial);
}

void dial_forget(struct dial **owned) {
    struct dial *dial = *owned;
    *owned = NULL;
    if (!dial) return;
    dial->events = NULL;
    dial_close(dial, 1001, SLICE_NONE);
}

/* ---- the beginning */

static bool connect_next(struct dial *dial) {
    char number[INET6_ADDRSTRLEN];
    if (dial->addresses.next == dial->addresses.len) return false;
    const struct sockaddr_storage *address = &dial->addresses.all[dial->addresses.next++];
    const void *bytes = address->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                            : &((const struct sockaddr_in *)address)->sin_addr;
    inet_ntop(address->ss_family, bytes, number, sizeof number);
    struct lws_client_connect_info info = {
        .context = dial->dialer->context.lws,
        .vhost = dial->vhost,
        .address = number, /* libwebsockets would wait for a name */
        .port = dial->url.port,
        .ssl_connection = (dial->url.tls ? LCCSCF_USE_SSL : 0) | LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
        .path = dial->url.path,
        .host = dial->url.host_field,
        .protocol = dial->protocols,
        .local_protocol_name = "stoa",
        .alpn = "http/1.1",
        .pwsi = &dial->wsi,
        .opaque_user_data = dial,
        .retry_and_idle_policy = &no_validity_timers,
    };
    lws_client_connect_via_info(&info); /* a failure within the call is reported by a callback */
    loop_uv_wake(dial->dialer->loop);
    return true;
}

static void resolved(struct resolver_question *question, const struct sockaddr_storage *addresses, size_t len) {
    struct dial *dial = CONTAINER(question, struct dial, question);
    memcpy(dial->addresses.all, addresses, len * sizeof *addresses);
    dial->addresses.len = len;
    loop_post(dial->dialer->loop, &dial->task);
}

/* libwebsockets 4.1.6 kills at once what its writeable callback wants closed; asked from outside, it sends the Close
 * frame and waits for the peer's. */
static void send_close(struct dial *dial) {
    if (dial->closing.is_sent || !dial->wsi || lws_partial_buffered(dial->wsi)) return;
    dial->closing.is_sent = true;
    lws_close_reason(dial->wsi, (enum lws_close_status)dial->closing.code, (unsigned char *)dial->closing.reason.ptr,
                     dial->closing.reason.len);
    lws_set_timeout(dial->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    loop_uv_wake(dial->dialer->loop);
}

/* Work that must not run within a call or a callback. */
static void run(struct loop_task *task) {
    struct dial *dial = CONTAINER(task, struct dial, task);
    if (dial->state == DIAL_CLOSING) send_close(dial);
    if (dial->wants_end) {
        cut(dial, DIAL_CLOSED);
        return;
    }
    if (dial->state != DIAL_RESOLVING && dial->state != DIAL_CONNECTING) return;
    set_state(dial, DIAL_CONNECTING);
    if (!connect_next(dial)) ended(dial, DIAL_UNAVAILABLE);
}

struct dial *dial_new(struct dialer *dialer, const struct dial_settings *settings, const struct dial_events *events,
                      void *owner, enum dial_fault *fault_r) {
    struct dial_url url;
    *fault_r = DIAL_BAD_URL;
    if (!dial_url_read(settings->url, &url)) return NULL;
    struct lws_vhost *vhost = NULL;
    if (dialer->len == DIALS_MAX)
        *fault_r = DIAL_TOO_MANY;
    else
        vhost = dial_context_vhost(&dialer->context, url.tls ? settings->ca : NULL, fault_r);
    if (!vhost) {
        dial_url_done(&url);
        return NULL;
    }
    struct dial *dial = NEW(struct dial);
    *dial = (struct dial){.dialer = dialer,
                          .events = events,
                          .owner = owner,
                          .url = url,
                          .vhost = vhost,
                          .max_message_bytes = settings->max_message_bytes,
                          .queue_bytes = settings->queue_bytes};
    if (settings->protocols) dial->protocols = memory_copy(settings->protocols, strlen(settings->protocols));
    buffer_append_slice(&dial->headers, settings->headers);
    list_init(&dial->out.messages);
    list_init(&dial->in.messages);
    loop_timer_init(&dial->deadline, dialer->loop, deadline_passed);
    loop_task_init(&dial->task, run);
    loop_task_init(&dial->reap, reap);
    list_append(&dialer->dials, &dial->link);
    dialer->len++;
    dial->question.done = resolved;
    loop_timer_set(&dial->deadline, settings->timeout_ms);
    if (!dialer->resolver) dialer->resolver = resolver_new(dialer->loop);
    resolver_ask(dialer->resolver, &dial->question, url.host, url.port);
    return dial;
}

const char *dial_protocol(const struct dial *dial) {
    return dial->protocol ? dial->protocol : "";
}

/* ---- out */

bool dial_send(struct dial *dial, struct slice message, bool binary) {
    if (dial->state >= DIAL_CLOSING) return true;
    if (dial->out.bytes > 0 && dial->out.bytes + message.len > dial->queue_bytes) {
        dial->out.is_full = true;
        return false;
    }
    struct buffer bytes = {0};
    buffer_reserve(&bytes, LWS_PRE + message.len);
    bytes.len = LWS_PRE;
    buffer_append_slice(&bytes, message);
    queue_push(&dial->out, &bytes, message.len, binary);
    if (dial->state == DIAL_OPEN) want_writable(dial);
    return true;
}

/* 0, or -1 as libwebsockets wants it when the connection is to end. */
static int write_next(struct dial *dial) {
    if (lws_partial_buffered(dial->wsi)) return 0;
    struct dial_message *message = queue_pop(&dial->out, LWS_PRE);
    if (!message) {
        if (dial->state == DIAL_CLOSING) loop_post(dial->dialer->loop, &dial->task);
        return 0;
    }
    size_t len = message->bytes.len - LWS_PRE;
    int written = lws_write(dial->wsi, (unsigned char *)message->bytes.ptr + LWS_PRE, len,
                            message->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
    message_free(message);
    if (written < (int)len) return -1;
    lws_callback_on_writable(dial->wsi);
    if (dial->out.is_full && dial->out.bytes <= dial->queue_bytes / 2) {
        dial->out.is_full = false;
        if (dial->events) dial->events->drained(dial->owner);
    }
    return 0;
}

/* ---- in */

bool dial_receive(struct dial *dial, struct buffer *message_r, bool *binary_r) {
    struct dial_message *message = queue_pop(&dial->in, 0);
    if (!message) return false;
    *message_r = message->bytes;
    *binary_r = message->binary;
    free(message);
    if (dial->in.is_full && dial->in.bytes <= dial->queue_bytes / 2 && dial->wsi) {
        dial->in.is_full = false;
        lws_rx_flow_control(dial->wsi, 1);
        want_writable(dial); /* no event will report bytes that it has already read */
    }
    return true;
}

/* Drops queued output and ignores input. */
static void refuse(struct dial *dial, uint16_t code) {
    queue_done(&dial->out, LWS_PRE);
    dial_close(dial, code, SLICE_NONE);
}

static void take_piece(struct dial *dial, const char *bytes, size_t len) {
    if (dial->state != DIAL_OPEN) return;
    size_t rest = lws_remaining_packet_payload(dial->wsi);
    if (len + rest > dial->max_message_bytes - dial->partial.len) {
        refuse(dial, WEBSOCKET_TOO_LARGE);
        return;
    }
    buffer_append(&dial->partial, bytes, len);
    if (rest > 0 || !lws_is_final_fragment(dial->wsi)) return;
    bool binary = lws_frame_is_binary(dial->wsi);
    if (!binary && !utf8_valid(buffer_slice(&dial->partial))) {
        refuse(dial, WEBSOCKET_BAD_DATA);
        return;
    }
    bool was_empty = list_empty(&dial->in.messages);
    queue_push(&dial->in, &dial->partial, dial->partial.len, binary);
    if (dial->in.bytes >= dial->queue_bytes && !dial->in.is_full) {
        dial->in.is_full = true;
        lws_rx_flow_control(dial->wsi, 0);
    }
    if (was_empty && dial->events) dial->events->received(dial->owner);
}

/* ---- callbacks of libwebsockets */

static void opened(struct dial *dial) {
    loop_timer_cancel(&dial->deadline);
    set_state(dial, DIAL_OPEN);
    if (dial->events) dial->events->opened(dial->owner);
    if (dial->state == DIAL_OPEN && !list_empty(&dial->out.messages)) lws_callback_on_writable(dial->wsi);
}

/* The next address is tried from the loop. */
static void failed(struct dial *dial, struct slice why) {
    bool answered = why.len >= 3 && memcmp(why.ptr, "HS:", 3) == 0;
    LOG(LOG_INFO, "dial.failed", LOG_TEXT("host", dial->url.host_field), LOG_SLICE("why", why));
    if (dial->state != DIAL_CONNECTING) return;
    lws_set_opaque_user_data(dial->wsi, NULL);
    dial->wsi = NULL;
    if (dial->untrusted || answered)
        ended(dial, dial->untrusted ? DIAL_UNTRUSTED : DIAL_REFUSED);
    else
        loop_post(dial->dialer->loop, &dial->task);
}

static int append_headers(struct dial *dial, char **at, size_t room) {
    if (dial->headers.len > room) return -1;
    if (dial->headers.len > 0) memcpy(*at, dial->headers.ptr, dial->headers.len);
    *at += dial->headers.len;
    return 0;
}

static void keep_protocol(struct dial *dial) {
    int len = lws_hdr_total_length(dial->wsi, WSI_TOKEN_PROTOCOL);
    if (len <= 0 || dial->protocol) return;
    dial->protocol = memory_new((size_t)len + 1);
    lws_hdr_copy(dial->wsi, dial->protocol, len + 1, WSI_TOKEN_PROTOCOL);
}

/* libwebsockets answers it. */
static void hear_close(struct dial *dial, const unsigned char *payload, size_t len) {
    bool has_code = len >= 2;
    say(dial, has_code ? (uint16_t)(payload[0] << 8 | payload[1]) : WEBSOCKET_NO_CODE,
        has_code ? (struct slice){(const char *)payload + 2, len - 2} : SLICE_NONE);
    if (dial->state == DIAL_OPEN) set_state(dial, DIAL_CLOSING);
    dial->closing.is_sent = true;
    loop_timer_set(&dial->deadline, DIAL_CLOSE_MS);
}

static int told(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
    struct dial *dial = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    if (reason == LWS_CALLBACK_WSI_DESTROY) dial_context_gone(wsi);
    if (!dial || dial->state == DIAL_ENDED) return reason == LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION;
    dial->wsi = wsi;
    switch (reason) {
        case LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION:
            if (dial_context_trusts(dial->url.host, user, len)) return 0;
            dial->untrusted = true;
            return 1;
        case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
            return append_headers(dial, in, len);
        case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
            keep_protocol(dial);
            return 0;
        case LWS_CALLBACK_CLIENT_ESTABLISHED:
            opened(dial);
            return 0;
        case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
            failed(dial, (struct slice){in, in ? len : 0});
            return 0;
        case LWS_CALLBACK_CLIENT_RECEIVE:
            take_piece(dial, in, len);
            return 0;
        case LWS_CALLBACK_CLIENT_WRITEABLE:
            return write_next(dial);
        case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
            hear_close(dial, in, len);
            return 0;
        case LWS_CALLBACK_CLIENT_CLOSED:
        case LWS_CALLBACK_WSI_DESTROY:
            ended(dial, dial->state < DIAL_OPEN ? DIAL_UNAVAILABLE : DIAL_CLOSED);
            return 0;
        default:
            return 0;
    }
}

/* ---- the dialer */

struct dialer *dialer_new(struct loop *loop) {
    struct dialer *dialer = NEW(struct dialer);
    dialer->loop = loop;
    list_init(&dialer->dials);
    dial_context_init(&dialer->context, loop, told);
    return dialer;
}

void dialer_free(struct dialer **owned) {
    struct dialer *dialer = *owned;
    if (!dialer) return;
    LIST_EACH(&dialer->dials, link) {
        struct dial *dial = CONTAINER(link, struct dial, link);
        dial->events = NULL;
        cut(dial, DIAL_CLOSED);
    }
    dial_context_done(&dialer->context);
    loop_turn(dialer->loop); /* frees them */
    resolver_free(&dialer->resolver);
    free(dialer);
    *owned = NULL;
}
