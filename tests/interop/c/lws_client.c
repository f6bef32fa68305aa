/* SPDX-License-Identifier: Apache-2.0 */
/* The scenes of clients.test.mjs with the client of libwebsockets: SCENE URL CA TLS DEFLATE. */
#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    DEADLINE_S = 20,
    LARGE_LINES = 2500,
    PART_BYTES = 10000,
    BURST = 20,
    BYTES_LEN = 100000,
    PING_DEADLINE_MS = 2500, /* above the test's ping_interval_ms + ping_timeout_ms */
};

/* The next message to send, and what must arrive before it. */
enum step { ENTER, LARGE, PARTS, BURST_OUT, PING, STAY, CLOSE, BINARY, BYTES, WAIT, OVER };

struct client {
    const char *scene, *ca, *tls;
    bool deflate;
    struct lws *socket;
    enum step step;
    bool said; /* the message of this step is written completely */
    char *out; /* after LWS_PRE */
    size_t out_len, out_sent;
    char *in; /* a message, as far as received */
    size_t in_len;
    int burst_out, burst_in;
    int close_code; /* from the server */
    char close_reason[124];
    char failure[200];
    bool over;
};

static bool distrusted;

/* The last error of the library, from its log, which is the only source. */
static void hear_log(int level, const char *line) {
    (void)level;
    if (strstr(line, "unable to get local issuer certificate")) distrusted = true;
    fputs(line, stderr);
}

/* Nothing after a failure counts. */
static void held(const struct client *client, const char *promise) {
    if (!client->failure[0]) printf("held %s\n", promise);
}

static void fail(struct client *client, const char *what, const char *detail) {
    if (!client->failure[0]) snprintf(client->failure, sizeof client->failure, "%s %.150s", what, detail);
    client->over = true;
}

static char *large_text(void) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out) abort();
    for (int i = 0; i < LARGE_LINES; i++) fprintf(out, "line %d of a long letter, grüße 👋; ", i);
    fclose(out);
    return text;
}

static char *many_bytes(void) {
    char *bytes = malloc(BYTES_LEN);
    if (!bytes) abort();
    for (int i = 0; i < BYTES_LEN; i++) bytes[i] = (char)(i * 31 + (i >> 8));
    return bytes;
}

/* ---- out */

static void set_out(struct client *client, const char *text, size_t len) {
    free(client->out);
    client->out = malloc(LWS_PRE + len);
    if (!client->out) abort();
    memcpy(client->out + LWS_PRE, text, len);
    client->out_len = len;
    client->out_sent = 0;
}

static void set_event(struct client *client, int number, const char *text) {
    size_t room = strlen(text) + 100;
    char *event = malloc(room);
    if (!event) abort();
    int len =
        snprintf(event, room, "{\"type\":\"event\",\"event\":\"echo\",\"args\":[\"%s\"],\"id\":%d}", text, number);
    set_out(client, event, (size_t)len);
    free(event);
}

static void set_small(struct client *client, int number) {
    char text[30];
    snprintf(text, sizeof text, "small %d", number);
    set_event(client, 100 + number, text);
}

static void go(struct client *client, enum step step) {
    static const char enter[] = "{\"type\":\"connect\",\"auth\":{\"user\":\"alice\"}}",
                      nobody[] = "{\"type\":\"connect\",\"auth\":{}}";
    client->step = step;
    client->said = false;
    if (step == ENTER) {
        const char *text = strcmp(client->scene, "refused") ? enter : nobody;
        set_out(client, text, strlen(text));
    } else if (step == LARGE || step == PARTS) {
        char *text = large_text();
        set_event(client, step, text);
        free(text);
    } else if (step == BURST_OUT) {
        set_small(client, 0);
    } else if (step == BINARY) {
        set_out(client, "\x00\xff", 2);
    } else if (step == BYTES) {
        char *bytes = many_bytes();
        set_out(client, bytes, BYTES_LEN);
        free(bytes);
    } else if (step == PING) {
        set_out(client, "are you there?", 14);
    } else if (step == STAY) {
        lws_set_timer_usecs(client->socket, PING_DEADLINE_MS * LWS_US_PER_MS);
    }
    lws_callback_on_writable(client->socket);
}

static int write_out(struct client *client, size_t len, enum lws_write_protocol kind) {
    /* The library writes its headers in front, into bytes that are already sent. */
    char *from = client->out + LWS_PRE + client->out_sent;
    int n = lws_write(client->socket, (unsigned char *)from, len, kind);
    client->out_sent += len;
    return n < 0 ? -1 : 0;
}

static int write_part(struct client *client) {
    size_t left = client->out_len - client->out_sent, len = left < PART_BYTES ? left : PART_BYTES;
    bool first = client->out_sent == 0, last = len == left;
    int kind = lws_write_ws_flags(LWS_WRITE_TEXT, first, last);
    client->said = last;
    if (!last) lws_callback_on_writable(client->socket);
    return write_out(client, len, (enum lws_write_protocol)kind);
}

static int writable(struct client *client) {
    if (client->said) return 0;
    if (client->step == PARTS) return write_part(client);
    client->said = true;
    if (client->step == STAY || client->step == WAIT || client->step == OVER) return 0;
    if (client->step == CLOSE) {
        lws_close_reason(client->socket, 3001, (unsigned char *)"good bye", 8);
        return -1; /* the library sends the close, and waits for the answer */
    }
    if (client->step == PING) return write_out(client, client->out_len, LWS_WRITE_PING);
    if (client->step == BINARY || client->step == BYTES) return write_out(client, client->out_len, LWS_WRITE_BINARY);
    int result = write_out(client, client->out_len, LWS_WRITE_TEXT);
    if (client->step == BURST_OUT && ++client->burst_out < BURST) {
        set_small(client, client->burst_out);
        client->said = false;
        lws_callback_on_writable(client->socket);
    }
    return result;
}

/* ---- in */

static bool is_answer(struct client *client, int number, const char *text) {
    char head[60];
    size_t head_len = (size_t)snprintf(head, sizeof head, "{\"type\":\"ack\",\"id\":%d,\"args\":[\"", number),
           len = strlen(text);
    return client->in_len == head_len + len + 3 && !memcmp(client->in, head, head_len) &&
           !memcmp(client->in + head_len, text, len) && !memcmp(client->in + head_len + len, "\"]}", 3);
}

static void expect_large(struct client *client, const char *promise, enum step next) {
    char *text = large_text();
    if (is_answer(client, client->step, text)) {
        held(client, promise);
        go(client, next);
    } else {
        fail(client, "another answer to", promise);
    }
    free(text);
}

static void expect_small(struct client *client) {
    char text[30];
    snprintf(text, sizeof text, "small %d", client->burst_in);
    if (!is_answer(client, 100 + client->burst_in, text)) fail(client, "another answer to", text);
    if (++client->burst_in < BURST) return;
    held(client, "burst");
    go(client, PING);
}

static void expect_bytes(struct client *client) {
    char *bytes = many_bytes();
    if (!lws_frame_is_binary(client->socket) || client->in_len != BYTES_LEN ||
        memcmp(client->in, bytes, BYTES_LEN) != 0)
        fail(client, "other", "bytes");
    else
        held(client, "bytes");
    free(bytes);
    go(client, CLOSE);
}

static void entered(struct client *client) {
    const char *answer = strcmp(client->scene, "refused") ? "{\"type\":\"connected\"," : "{\"type\":\"refused\",";
    if (client->in_len < strlen(answer) || memcmp(client->in, answer, strlen(answer)) != 0) fail(client, "not", answer);
    if (!strcmp(client->scene, "talk")) {
        held(client, "authenticates");
        go(client, LARGE);
    } else if (!strcmp(client->scene, "binary")) {
        go(client, BINARY);
    } else {
        if (!strcmp(client->scene, "drain")) printf("waiting\n");
        go(client, WAIT);
    }
}

static void received(struct client *client) {
    if (client->step == ENTER)
        entered(client);
    else if (client->step == LARGE)
        expect_large(client, "large", PARTS);
    else if (client->step == PARTS)
        expect_large(client, "parts", BURST_OUT);
    else if (client->step == BURST_OUT)
        expect_small(client);
    else if (client->step == BYTES)
        expect_bytes(client);
    else if (client->step != WAIT)
        fail(client, "unexpected:", "a message");
}

static void receive(struct client *client, const char *bytes, size_t len) {
    client->in = realloc(client->in, client->in_len + len + 1);
    if (!client->in) abort();
    memcpy(client->in + client->in_len, bytes, len);
    client->in_len += len;
    if (!lws_is_final_fragment(client->socket) || lws_remaining_packet_payload(client->socket) > 0) return;
    received(client);
    client->in_len = 0;
}

/* ---- its life */

static void connected(struct client *client) {
    SSL *ssl = lws_get_ssl(client->socket);
    if (client->tls[0] && (!ssl || strcmp(SSL_get_version(ssl) + strlen("TLSv"), client->tls) != 0))
        fail(client, "another", "TLS");
    char extensions[200] = "";
    if (lws_hdr_copy(client->socket, extensions, sizeof extensions, WSI_TOKEN_EXTENSIONS) < 0)
        fail(client, "too many", "extensions");
    if ((strstr(extensions, "permessage-deflate") != NULL) != client->deflate) fail(client, "extensions:", extensions);
    if (!strcmp(client->scene, "talk")) held(client, "connects");
}

static void peer_closes(struct client *client, const unsigned char *payload, size_t len) {
    if (len < 2) return;
    client->close_code = payload[0] << 8 | payload[1];
    memcpy(client->close_reason, payload + 2, len - 2 < 123 ? len - 2 : 123);
}

static int happened(struct lws *socket, enum lws_callback_reasons what, void *user, void *bytes, size_t len) {
    struct client *client = lws_context_user(lws_get_context(socket));
    (void)user;
    switch (what) {
        case LWS_CALLBACK_CLIENT_CONFIRM_EXTENSION_SUPPORTED:
            return !client->deflate;
        case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
            connected(client);
            break;
        case LWS_CALLBACK_CLIENT_ESTABLISHED:
            go(client, strcmp(client->scene, "bytes") ? ENTER : BYTES);
            break;
        case LWS_CALLBACK_CLIENT_WRITEABLE:
            return writable(client);
        case LWS_CALLBACK_CLIENT_RECEIVE:
            receive(client, bytes, len);
            break;
        case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
            if (client->step == PING) held(client, "pong"), go(client, STAY);
            break;
        case LWS_CALLBACK_TIMER:
            held(client, "pings");
            go(client, CLOSE);
            break;
        case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
            peer_closes(client, bytes, len);
            break;
        case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
            fail(client, "no connection:", bytes ? bytes : "");
            break;
        case LWS_CALLBACK_CLIENT_CLOSED:
            client->over = true;
            break;
        default:
            return lws_callback_http_dummy(socket, what, user, bytes, len);
    }
    return 0;
}

/* ---- how it ended */

/* The library reports codes that it does not know, such as 1012, as 1002. */
static bool is_code(int told, int sent) {
    enum { KNOWN_MAX = 1011, OWN_MIN = 3000 };
    return told == sent || (told == 1002 && sent > KNOWN_MAX && sent < OWN_MIN);
}

static void ended_with(struct client *client, const char *promise, int code, const char *reason) {
    char detail[150];
    snprintf(detail, sizeof detail, "%d %.120s", client->close_code, client->close_reason);
    if (is_code(client->close_code, code) && !strncmp(client->close_reason, reason, strlen(reason)))
        held(client, promise);
    else
        fail(client, "closed with", detail);
}

static void judge(struct client *client) {
    if (!strcmp(client->scene, "distrust")) {
        if (!distrusted) return;
        client->failure[0] = 0;
        held(client, "distrust");
    } else if (!client->failure[0]) {
        if (!strcmp(client->scene, "binary")) ended_with(client, "binary", 1003, "");
        if (!strcmp(client->scene, "refused")) ended_with(client, "refused", 4401, "");
        if (!strcmp(client->scene, "drain")) ended_with(client, "drain", 1012, "{\"retryAfterMs\":");
        if (!strcmp(client->scene, "talk")) {
            if (client->step != CLOSE || !client->said) fail(client, "ended", "too soon");
        }
    }
}

static const struct lws_extension extensions[] = {
    {"permessage-deflate", lws_extension_callback_pm_deflate,
     "permessage-deflate; client_no_context_takeover; client_max_window_bits"},
    {NULL, NULL, NULL},
};

/* The range of versions must have no gap: the library would not offer those above it. */
static long other_versions(const char *tls) {
    return strcmp(tls, "1.2") ? SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 : SSL_OP_NO_TLSv1_3;
}

static struct lws_context *new_context(struct client *client, const struct lws_protocols *protocols) {
    struct lws_context_creation_info options = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .extensions = extensions,
        .user = client,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .client_ssl_ca_filepath = client->ca[0] ? client->ca : NULL,
        .ssl_client_options_set = other_versions(client->tls),
    };
    if (client->tls[0]) options.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    return lws_create_context(&options);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    struct client client = {.scene = argv[1], .ca = argv[3], .tls = argv[4], .deflate = argv[5][0]};
    static const struct lws_protocols protocols[] = {{.name = "client", .callback = happened, .rx_buffer_size = 4096},
                                                     {0}};
    const char *scheme, *host, *path;
    int port;
    setvbuf(stdout, NULL, _IOLBF, 0);
    lws_set_log_level(LLL_ERR, hear_log);
    if (lws_parse_uri(argv[2], &scheme, &host, &port, &path)) return 2;
    struct lws_context *context = new_context(&client, protocols);
    if (!context) return 2;
    char place[100];
    snprintf(place, sizeof place, "/%s", path);
    struct lws_client_connect_info connection = {
        .context = context,
        .address = host,
        .port = port,
        .path = place,
        .host = host,
        .ssl_connection = client.tls[0] ? LCCSCF_USE_SSL : 0,
        .local_protocol_name = "client",
        .pwsi = &client.socket,
    };
    if (!lws_client_connect_via_info(&connection) && !client.failure[0]) fail(&client, "no", "connection");
    time_t end = time(NULL) + DEADLINE_S;
    while (!client.over && lws_service(context, 0) >= 0)
        if (time(NULL) > end) fail(&client, "too late", "");
    judge(&client);
    if (client.failure[0]) fprintf(stderr, "%s\n", client.failure);
    lws_context_destroy(context);
    free(client.out);
    free(client.in);
    return client.failure[0] != 0;
}
