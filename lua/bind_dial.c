/* SPDX-License-Identifier: Apache-2.0 */
/* Outgoing WebSocket connections: stoa.websocket.connect, and the upstreams that it leads to. */
#include <lauxlib.h>
#include <stdlib.h>
#include <strings.h>

#include "lua/bind_internal.h"
#include "lua/types.h"
#include "net/dial.h"
#include "worker/worker.h"

static const char UPSTREAM[] = "stoa.upstream";
enum { HEADERS_MAX = 32, TIMEOUT_MS = 10000, TIMEOUT_MAX_MS = 120000, QUEUE_BYTES = 1 << 20 };
enum { MESSAGE_BYTES = 1 << 20, MESSAGE_MOST = 16 << 20 };

struct message {
    struct list link;
    struct buffer bytes;
    bool binary;
};

struct upstream {
    struct list link; /* in the script_state's list */
    struct script_state *scripts;
    struct dial *dial;        /* NULL: the connection has ended */
    struct upstream **handle; /* the scripts' handle; NULL: no script holds one */
    struct task_ticket *connecting, *sending, *receiving, *closing;
    struct list rest; /* messages that had arrived when the connection ended */
    struct buffer unsent;
    bool unsent_is_binary;
    uint16_t code;
    struct buffer reason;
    char *protocol;
};

/* ---- answers */

static int push_true(lua_State *L, void *owner) {
    (void)owner;
    return bind_true(L);
}

static int push_word(lua_State *L, void *owner) {
    return bind_fail(L, owner);
}

static int push_end(lua_State *L, void *owner) {
    const struct upstream *upstream = owner;
    bind_fail(L, "closed");
    lua_pushinteger(L, upstream->code);
    lua_pushlstring(L, upstream->reason.ptr ? upstream->reason.ptr : "", upstream->reason.len);
    return 4;
}

static int push_message(lua_State *L, void *owner) {
    const struct message *message = owner;
    struct slice bytes = buffer_slice(&message->bytes);
    if (message->binary)
        types_push_binary(L, bytes);
    else
        lua_pushlstring(L, bytes.ptr ? bytes.ptr : "", bytes.len);
    return 1;
}

static int push_upstream(lua_State *L, void *owner) {
    struct upstream *upstream = owner;
    struct upstream **handle = types_new(L, UPSTREAM, sizeof *handle);
    *handle = upstream;
    upstream->handle = handle;
    return 1;
}

/* Also answers a task that gave up waiting: this frees the ticket. */
static void answer(struct task_ticket **ticket, int (*push)(lua_State *L, void *owner), void *owner) {
    if (*ticket) task_answer(ticket, push, owner);
}

/* ---- lifetime */

static void unsent_drop(struct upstream *upstream) {
    buffer_done(&upstream->unsent);
}

static void upstream_free(struct upstream *upstream) {
    struct list *link;
    list_remove(&upstream->link);
    if (upstream->handle) *upstream->handle = NULL;
    dial_forget(&upstream->dial);
    struct task_ticket **tickets[] = {&upstream->connecting, &upstream->sending, &upstream->receiving,
                                      &upstream->closing};
    for (size_t i = 0; i < sizeof tickets / sizeof *tickets; i++) answer(tickets[i], push_word, (void *)"closed");
    while ((link = list_pop(&upstream->rest))) {
        struct message *message = CONTAINER(link, struct message, link);
        buffer_done(&message->bytes);
        free(message);
    }
    unsent_drop(upstream);
    buffer_done(&upstream->reason);
    free(upstream->protocol);
    free(upstream);
}

void bind_dial_free(struct script_state *scripts) {
    LIST_EACH(&scripts->made.upstreams, link) upstream_free(CONTAINER(link, struct upstream, link));
}

/* Takes the oldest waiting message; false: none. */
static bool take(struct upstream *upstream, struct message *message_r) {
    struct list *link = list_pop(&upstream->rest);
    if (!link) return upstream->dial && dial_receive(upstream->dial, &message_r->bytes, &message_r->binary);
    struct message *message = CONTAINER(link, struct message, link);
    *message_r = *message;
    free(message);
    return true;
}

static void on_opened(void *owner) {
    struct upstream *upstream = owner;
    const char *protocol = dial_protocol(upstream->dial);
    upstream->protocol = memory_copy(protocol, strlen(protocol));
    if (task_waits(upstream->connecting)) answer(&upstream->connecting, push_upstream, upstream);
    if (!upstream->handle) upstream_free(upstream);
}

static void on_received(void *owner) {
    struct upstream *upstream = owner;
    struct message message;
    if (!upstream->receiving || !task_waits(upstream->receiving) || !take(upstream, &message)) return;
    answer(&upstream->receiving, push_message, &message);
    buffer_done(&message.bytes);
}

static void on_drained(void *owner) {
    struct upstream *upstream = owner;
    bool waits = upstream->sending && task_waits(upstream->sending);
    if (waits && !dial_send(upstream->dial, buffer_slice(&upstream->unsent), upstream->unsent_is_binary)) return;
    unsent_drop(upstream);
    answer(&upstream->sending, push_true, NULL);
}

static void keep_rest(struct upstream *upstream) {
    struct message message;
    while (dial_receive(upstream->dial, &message.bytes, &message.binary)) {
        struct message *kept = NEW(struct message);
        *kept = message;
        list_append(&upstream->rest, &kept->link);
    }
}

static void on_closed(void *owner, enum dial_end end, uint16_t code, struct slice reason) {
    static const char *const words[] = {[DIAL_CLOSED] = "closed",
                                        [DIAL_UNAVAILABLE] = "unavailable",
                                        [DIAL_UNTRUSTED] = "untrusted",
                                        [DIAL_REFUSED] = "refused",
                                        [DIAL_TIMED_OUT] = "timeout"};
    struct upstream *upstream = owner;
    keep_rest(upstream);
    upstream->dial = NULL;
    upstream->code = code;
    buffer_append_slice(&upstream->reason, reason);
    answer(&upstream->connecting, push_word, (void *)words[end]);
    answer(&upstream->sending, push_word, (void *)"closed");
    answer(&upstream->receiving, push_end, upstream);
    answer(&upstream->closing, push_true, NULL);
    if (!upstream->handle) upstream_free(upstream);
}

static const struct dial_events events = {on_opened, on_received, on_drained, on_closed};

/* ---- functions for scripts */

/* Headers that the handshake sets itself. */
static bool is_reserved(const char *line) {
    static const char *const names[] = {"host:",           "connection:",        "upgrade:", "sec-websocket-",
                                        "content-length:", "transfer-encoding:", NULL};
    for (const char *const *name = names; *name; name++)
        if (strncasecmp(line, *name, strlen(*name)) == 0) return true;
    return false;
}

/* "Name: value\r\n"…, or NULL, on the stack. */
static struct slice headers_text(lua_State *L, int options) {
    const char *lines[HEADERS_MAX];
    size_t len = bind_http_headers(L, options, lines, HEADERS_MAX);
    luaL_Buffer text;
    luaL_checkstack(L, 8, "too many headers");
    luaL_buffinit(L, &text);
    for (size_t i = 0; i < len; i++) {
        if (is_reserved(lines[i])) luaL_error(L, "headers: %s is the handshake's own", lines[i]);
        luaL_addstring(&text, lines[i]);
        luaL_addstring(&text, "\r\n");
    }
    luaL_pushresult(&text);
    struct slice all = bind_text(L, -1);
    if (all.len > DIAL_HEADERS_MAX) luaL_error(L, "headers: more than %d bytes", DIAL_HEADERS_MAX);
    return all;
}

/* "v2, v1", or NULL, on the stack. */
static const char *protocols_text(lua_State *L, int options) {
    bind_push_field(L, options, "protocols");
    if (lua_isnil(L, -1)) return NULL;
    luaL_checktype(L, -1, LUA_TTABLE);
    int list = lua_gettop(L), len = (int)lua_objlen(L, list);
    if (len == 0) return NULL;
    lua_pushliteral(L, "");
    for (int i = 1; i <= len; i++) {
        lua_rawgeti(L, list, i);
        bind_connection_check_protocol(L, -1);
        lua_pushstring(L, i < len ? ", " : "");
        lua_concat(L, 3);
    }
    return lua_tostring(L, -1);
}

static unsigned milliseconds(lua_State *L, double ms) {
    if (!(ms >= 1 && ms <= TIMEOUT_MAX_MS)) luaL_error(L, "1 to %d milliseconds expected", TIMEOUT_MAX_MS);
    return (unsigned)ms;
}

static struct dial_settings settings_of(lua_State *L) {
    struct dial_settings settings = {.url = luaL_checkstring(L, 1), .queue_bytes = QUEUE_BYTES};
    double max_bytes = bind_number_field(L, 2, "max_bytes", MESSAGE_BYTES);
    luaL_argcheck(L, max_bytes >= 1 && max_bytes <= MESSAGE_MOST, 2, "max_bytes: 1 byte to 16 MiB");
    settings.max_message_bytes = (size_t)max_bytes;
    settings.timeout_ms = milliseconds(L, bind_number_field(L, 2, "timeout_ms", TIMEOUT_MS));
    settings.protocols = protocols_text(L, 2);
    settings.headers = headers_text(L, 2);
    settings.ca = bind_path_field(L, 2, "ca");
    return settings;
}

static struct upstream *upstream_new(struct script_state *scripts) {
    struct upstream *upstream = NEW(struct upstream);
    upstream->scripts = scripts;
    list_init(&upstream->rest);
    list_append(&scripts->made.upstreams, &upstream->link);
    return upstream;
}

/* Connects to another server's WebSocket, with ws or wss; follows no redirects and offers no compression. Do not let
 * clients choose the url: they could reach this server's internal network. A reload of the scripts closes the
 * connection.
 * @function stoa.websocket.connect
 * @param url "wss://feed.example/v1"
 * @param options {protocols = {"v2", "v1"}?, headers = {name = value}?, ca = "PEM file"? (beside the configuration;
 * else the system's authorities), timeout_ms = 10000, max_bytes = 1048576}; may be left out
 * @return an upstream; waits
 * @error unavailable (no such name, nobody listens, too many connections), untrusted (the certificate), refused (it
 * answers, but with no WebSocket), timeout, bad_request (no such url)
 * @example local upstream, word = stoa.websocket.connect("wss://feed.example/v1", {protocols = {"v1"}}) */
int bind_dial_connect(lua_State *L) {
    struct worker *worker = script_state_worker(L);
    if (lua_isnoneornil(L, 2)) {
        lua_settop(L, 1);
        lua_newtable(L);
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    struct dial_settings settings = settings_of(L);
    enum dial_fault fault;
    struct task_ticket *ticket = task_begin_wait(L);
    struct upstream *upstream = upstream_new(script_state_of(L));
    upstream->connecting = ticket;
    upstream->dial = dial_new(worker->dialer, &settings, &events, upstream, &fault);
    if (upstream->dial) return task_wait(L, settings.timeout_ms + 1000);
    task_abandon_wait(L, &upstream->connecting);
    upstream_free(upstream);
    if (fault == DIAL_BAD_CA) return luaL_error(L, "ca: '%s' holds no certificates", settings.ca);
    return bind_fail(L, fault == DIAL_BAD_URL ? "bad_request" : "unavailable");
}

/* NULL: the upstream has ended. */
static struct upstream *upstream_at(lua_State *L) {
    script_state_worker(L);
    struct upstream *upstream = *(struct upstream **)types_check(L, 1, UPSTREAM);
    return upstream;
}

/* True: a task is already waiting for it; one that gave up does not count. */
static bool is_busy(struct task_ticket **ticket) {
    if (*ticket && task_waits(*ticket)) return true;
    answer(ticket, push_true, NULL);
    return false;
}

/* Sends a message. Waits while more than a megabyte is queued for the other server.
 * @function upstream:send
 * @param message a string of UTF-8, or a stoa.binary
 * @param timeout_ms 10000 when absent; at most 120000
 * @return true; waits while too much waits to be sent
 * @error closed, timeout (nothing was sent), busy (another task waits in send)
 * @example upstream:send('{"subscribe": "prices"}') */
static int send(lua_State *L) {
    struct upstream *upstream = upstream_at(L);
    struct slice message;
    bool binary = bind_connection_message(L, 2, &message);
    unsigned timeout_ms = milliseconds(L, luaL_optnumber(L, 3, TIMEOUT_MS));
    if (!upstream || !upstream->dial) return bind_fail(L, "closed");
    if (is_busy(&upstream->sending)) return bind_fail(L, "busy");
    unsent_drop(upstream);
    if (dial_send(upstream->dial, message, binary)) return bind_true(L);
    struct task_ticket *ticket = task_begin_wait(L);
    buffer_append_slice(&upstream->unsent, message);
    upstream->unsent_is_binary = binary;
    upstream->sending = ticket;
    return task_wait(L, timeout_ms);
}

/* The next message, in the order of sending. Messages are queued until received; beyond a megabyte, the server stops
 * reading.
 * @function upstream:receive
 * @param timeout_ms 10000 when absent; at most 120000
 * @return a string, or a stoa.binary; waits
 * @error timeout, busy (another task receives), closed (then also the code and the reason of the Close frame; 1006:
 * there was none)
 * @example local message, word, code, reason = upstream:receive() */
static int receive(lua_State *L) {
    struct upstream *upstream = upstream_at(L);
    unsigned timeout_ms = milliseconds(L, luaL_optnumber(L, 2, TIMEOUT_MS));
    struct message message;
    if (!upstream) return bind_fail(L, "closed");
    if (is_busy(&upstream->receiving)) return bind_fail(L, "busy");
    if (take(upstream, &message)) {
        push_message(L, &message);
        buffer_done(&message.bytes);
        return 1;
    }
    if (!upstream->dial) return push_end(L, upstream);
    struct task_ticket *ticket = task_begin_wait(L);
    upstream->receiving = ticket;
    return task_wait(L, timeout_ms);
}

/* Closes the connection after sending what is queued. Messages that have arrived can still be received.
 * @function upstream:close
 * @param code 1000 when absent; as for connection:close
 * @param reason a text of at most 123 bytes; may be left out
 * @return true, also when it was closed already; waits for the other side, at most 5 seconds
 * @error busy (another task closes it)
 * @error raises for any other code
 * @example upstream:close() */
static int close_upstream(lua_State *L) {
    struct upstream *upstream = upstream_at(L);
    struct slice reason;
    uint16_t code = bind_connection_close_code(L, 2, &reason);
    if (!upstream || !upstream->dial) return bind_true(L);
    if (is_busy(&upstream->closing)) return bind_fail(L, "busy");
    struct task_ticket *ticket = task_begin_wait(L);
    upstream->closing = ticket;
    dial_close(upstream->dial, code, reason);
    return task_wait(L, DIAL_CLOSE_MS + 1000);
}

/* protocol; upvalue: the methods. */
static int upstream_index(lua_State *L) {
    struct upstream *upstream = *(struct upstream **)types_check(L, 1, UPSTREAM);
    if (slice_is(bind_text(L, 2), "protocol")) {
        bool has_one = upstream && upstream->protocol && *upstream->protocol;
        lua_pushstring(L, has_one ? upstream->protocol : NULL);
        return 1;
    }
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
}

static int collect(lua_State *L) {
    struct upstream *upstream = *(struct upstream **)lua_touserdata(L, 1);
    if (upstream) upstream_free(upstream);
    return 0;
}

void bind_dial(lua_State *L) {
    static const luaL_Reg methods[] = {{"send", send}, {"receive", receive}, {"close", close_upstream}, {NULL, NULL}};
    types_class(L, UPSTREAM, methods, upstream_index, collect);
}
