/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits: rules are data; only a field that is a function enters Lua. */
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/metrics.h"
#include "limit/admission.h"
#include "limit/fleet_limiter.h"
#include "lua/bind_internal.h"
#include "worker/worker.h"

enum { ASKS_MAX = 16, NAME_MAX_LEN = 64, KEY_MAX = 512, WAIT_MS = 2000 };
enum { COUNT, SECONDS, COST, KEY, FIELDS };
static const char *const field_names[FIELDS] = {"count", "seconds", "cost", "key"};

/* A field is a number, or a function of the subject (a reference), or, for the key, a string. */
struct field {
    double number;
    int fn;
    char *text;
};
struct limit {
    struct list link;
    char *name;
    struct field fields[FIELDS];
    bool is_worker_only;
    enum limit_away away;
};

void bind_limit_free(struct script_state *scripts) {
    LIST_EACH(&scripts->made.limits, link) {
        struct limit *limit = CONTAINER(link, struct limit, link);
        list_remove(&limit->link);
        free(limit->fields[KEY].text);
        free(limit->name);
        free(limit);
    }
}

static struct limit *find(const struct script_state *scripts, struct slice name) {
    LIST_EACH(&scripts->made.limits, link) {
        struct limit *limit = CONTAINER(link, struct limit, link);
        if (slice_is(name, limit->name)) return limit;
    }
    return NULL;
}

/* Pushes the field by name, or by position ({30, 60}). */
static void push_field(lua_State *L, int rule, int field) {
    bind_push_field(L, rule, field_names[field]);
    if (!lua_isnil(L, -1) || field > SECONDS) return;
    lua_pop(L, 1);
    lua_rawgeti(L, rule, field + 1);
}

static double check_number(lua_State *L, const struct limit *limit, int field, double number) {
    static const double least[] = {[COUNT] = 0, [SECONDS] = 0.001, [COST] = 1.0 / LIMIT_PARTS};
    static const double most[] = {[COUNT] = 1e8, [SECONDS] = 1e8, [COST] = 1e8};
    if (!(number >= least[field] && number <= most[field]) || (field == COUNT && number != floor(number)))
        luaL_error(L, "limit '%s': %s is out of range", limit->name, field_names[field]);
    return number;
}

static void read_field(lua_State *L, struct limit *limit, int rule, int index) {
    struct field *field = &limit->fields[index];
    push_field(L, rule, index);
    switch (lua_type(L, -1)) {
        case LUA_TNIL:
            if (index <= SECONDS) luaL_error(L, "limit '%s': %s is missing", limit->name, field_names[index]);
            break;
        case LUA_TFUNCTION:
            field->fn = luaL_ref(L, LUA_REGISTRYINDEX);
            return;
        case LUA_TNUMBER:
            if (index == KEY) luaL_error(L, "limit '%s': key is a number", limit->name);
            field->number = check_number(L, limit, index, lua_tonumber(L, -1));
            break;
        default:
            if (index != KEY || lua_type(L, -1) != LUA_TSTRING)
                luaL_error(L, "limit '%s': %s is a %s", limit->name, field_names[index], luaL_typename(L, -1));
            field->text = memory_copy(lua_tostring(L, -1), lua_objlen(L, -1));
    }
    lua_pop(L, 1);
}

/* Reads one of the words; without a field, the first. */
static int read_word(lua_State *L, const struct limit *limit, int rule, const char *name, const char *const *words) {
    bind_push_field(L, rule, name);
    const char *word = lua_isnil(L, -1) ? words[0] : lua_tostring(L, -1);
    int i = 0;
    while (words[i] && (!word || strcmp(word, words[i]) != 0)) i++;
    if (!words[i]) luaL_error(L, "limit '%s': %s is none of its words", limit->name, name);
    lua_pop(L, 1);
    return i;
}

static void read_words(lua_State *L, struct limit *limit, int rule) {
    static const char *const scopes[] = {"fleet", "worker", NULL};
    static const char *const aways[] = {
        [LIMIT_AWAY_SHARE] = "share", [LIMIT_AWAY_OPEN] = "open", [LIMIT_AWAY_CLOSED] = "closed", NULL};
    limit->is_worker_only = read_word(L, limit, rule, "scope", scopes) == 1;
    limit->away = (enum limit_away)read_word(L, limit, rule, "on_error", aways);
}

/* Defines a limit: count units in any period of seconds, refilled evenly (GCRA); its counters survive reloads. Any of
 * count, seconds, cost, key may be a function of (subject, key).
 * @function stoa.limit
 * @param name what stoa.take calls it
 * @param rule {count, seconds, cost = 1, key = nil, scope = "fleet", on_error = "share"}; key: one for all (a global
 * limit). cost: more than 0, kept to a millionth. scope "worker": where several workers run, each counts for itself.
 * on_error: what holds while Redis, which counts for all of them, is away: "share" (each worker's part of the limit),
 * "open", "closed"
 * @error raises when a field is missing or out of range, or the name is taken
 * @example stoa.limit("user_messages", {count = function(user) return user.paid and 120 or 30 end, seconds = 60}) */
static int limit_new(lua_State *L) {
    struct script_state *scripts = script_state_loading(L);
    struct slice name = bind_text(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_argcheck(L, name.len > 0 && name.len <= NAME_MAX_LEN, 1, "1 to 64 bytes expected");
    if (find(scripts, name)) return luaL_error(L, "limit '%s' is defined already", name.ptr);
    struct limit *limit = NEW(struct limit);
    limit->name = memory_copy(name.ptr, name.len);
    list_append(&scripts->made.limits, &limit->link);
    limit->fields[COST].number = 1;
    for (int i = 0; i < FIELDS; i++) limit->fields[i].fn = LUA_NOREF;
    for (int i = 0; i < FIELDS; i++) read_field(L, limit, 2, i);
    read_words(L, limit, 2);
    return 0;
}

/* Pushes the result of a field's function for the subject (argument 2) and the key at index. */
static void call_field(lua_State *L, const struct field *field, int key) {
    vm_check_depth(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, field->fn);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, key);
    lua_call(L, 2, 1);
}

static double number_of(lua_State *L, const struct limit *limit, int index, int key) {
    const struct field *field = &limit->fields[index];
    if (field->fn == LUA_NOREF) return field->number;
    call_field(L, field, key);
    if (lua_type(L, -1) != LUA_TNUMBER)
        luaL_error(L, "limit '%s': %s returned a %s", limit->name, field_names[index], luaL_typename(L, -1));
    double number = check_number(L, limit, index, lua_tonumber(L, -1));
    lua_pop(L, 1);
    return number;
}

/* The key: the rule's, or the caller's. It stays on the stack. */
static struct slice key_of(lua_State *L, const struct limit *limit, int key) {
    const struct field *field = &limit->fields[KEY];
    if (field->text) return slice_of(field->text);
    if (field->fn != LUA_NOREF)
        call_field(L, field, key);
    else
        lua_pushvalue(L, key);
    if (lua_isboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushliteral(L, "");
    }
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "limit '%s': the key is a %s", limit->name, luaL_typename(L, -1));
    struct slice text = bind_text(L, -1);
    if (text.len > KEY_MAX) luaL_error(L, "limit '%s': the key is longer than %d bytes", limit->name, KEY_MAX);
    return text;
}

/* One ask for each name that has a rule. The keys stay on the stack until the limiter has been asked. */
static size_t gather(lua_State *L, const struct script_state *scripts, struct limit_ask *asks) {
    size_t len = 0;
    luaL_checkstack(L, ASKS_MAX * 2 + 16, "too many limits");
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        int key = lua_gettop(L), name = key - 1;
        const struct limit *limit = lua_type(L, name) == LUA_TSTRING ? find(scripts, bind_text(L, name)) : NULL;
        if (limit) {
            if (len == ASKS_MAX) luaL_error(L, "more than %d limits at once", ASKS_MAX);
            unsigned count = (unsigned)number_of(L, limit, COUNT, key);
            uint64_t period_ms = (uint64_t)(number_of(L, limit, SECONDS, key) * 1000);
            double cost = number_of(L, limit, COST, key);
            struct slice text = key_of(L, limit, key);
            asks[len++] = (struct limit_ask){.name = slice_of(limit->name),
                                             .key = text,
                                             .rate = {count, period_ms},
                                             .cost = cost,
                                             .is_worker_only = limit->is_worker_only,
                                             .away = limit->away};
            if (lua_gettop(L) > key) lua_replace(L, key);
            lua_pushvalue(L, name);
        } else {
            lua_pop(L, 1);
        }
    }
    return len;
}

/* The asks of stoa.take and stoa.peek. The rules own the names: they live as long as the task can wait. */
struct limit_asking {
    struct fleet_limit_call call;
    struct task_ticket *ticket;
    bool charge;
    const char *names[ASKS_MAX];
};

struct answered {
    const struct limit_answer *answer;
    const struct limit_asking *asking;
};

static int push_answer(lua_State *L, void *owner) {
    const struct answered *answered = owner;
    const struct limit_answer *answer = answered->answer;
    if (answer->allowed) {
        lua_pushboolean(L, true);
        lua_pushinteger(L, (lua_Integer)answer->remaining);
        return 2;
    }
    const char *name = answered->asking->names[answer->refused_by];
    if (answered->asking->charge) metric_add_labelled(METRIC_LIMITED, name, 1);
    bind_fail(L, "rate_limited");
    lua_createtable(L, 0, 2);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "limit");
    lua_pushnumber(L, ceil((double)answer->retry_after_ms / 10) / 100);
    lua_setfield(L, -2, "retryAfter");
    return 3;
}

static void heard(struct fleet_limit_call *call, const struct limit_answer *answer) {
    struct limit_asking *asking = CONTAINER(call, struct limit_asking, call);
    task_answer(&asking->ticket, push_answer, &(struct answered){answer, asking});
    free(asking);
}

static void note_names(struct limit_asking *asking, const struct limit_ask *asks, size_t len) {
    for (size_t i = 0; i < len; i++) asking->names[i] = asks[i].name.ptr;
}

/* Several workers count together: the call may have to wait for the answer. */
static int ask_fleet(lua_State *L, const struct limit_ask *asks, size_t len, bool charge) {
    struct limit_answer answer;
    struct task_ticket *ticket = task_begin_wait(L);
    struct limit_asking *asking = NEW(struct limit_asking);
    *asking = (struct limit_asking){.call.done = heard, .ticket = ticket, .charge = charge};
    note_names(asking, asks, len);
    if (!fleet_limiter_take(script_state_worker(L)->limits.fleet, &asking->call, asks, len, charge, &answer))
        return task_wait(L, WAIT_MS);
    struct limit_asking answered = *asking;
    free(asking);
    task_abandon_wait(L, &answered.ticket);
    return push_answer(L, &(struct answered){&answer, &answered});
}

static int ask(lua_State *L, bool charge) {
    struct worker *worker = script_state_worker(L);
    struct limit_ask asks[ASKS_MAX];
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    size_t len = gather(L, script_state_of(L), asks);
    if (len == 0) return bind_true(L);
    if (worker->fleet.redis) return ask_fleet(L, asks, len, charge);
    struct limit_asking asking = {.charge = charge};
    struct limit_answer answer =
        charge ? limiter_take(worker->limits.limiter, asks, len) : limiter_peek(worker->limits.limiter, asks, len);
    note_names(&asking, asks, len);
    return push_answer(L, &(struct answered){&answer, &asking});
}

/* Charges several limits, or none of them if one refuses. Names without a rule pass.
 * @function stoa.take
 * @param asks {name = key}; key: who is limited (a string, or true for a global limit)
 * @param subject the argument of the rules' functions; may be nil
 * @return true, and how much is left of the tightest; waits where several workers count together
 * @error rate_limited, and {limit, retryAfter (seconds)}
 * @example local ok, word, refusal = stoa.take({user_messages = user.id, channel_messages = channel.id}, user) */
static int take(lua_State *L) {
    return ask(L, true);
}

/* Tells whether a take would pass; charges nothing.
 * @function stoa.peek
 * @param asks {name = key}
 * @param subject the argument of the rules' functions; may be nil
 * @return true, and how much would be left of the tightest; waits where several workers count together
 * @error rate_limited, and {limit, retryAfter (seconds)}
 * @example if not stoa.peek{uploads = user.id} then hide_button() end */
static int peek(lua_State *L) {
    return ask(L, false);
}

/* Refunds what a successful take has charged, for example for a message that turned out to be a duplicate.
 * @function stoa.give_back
 * @param asks {name = key}, as for the take
 * @param subject as for the take; may be nil
 * @return true
 * @example if receipt.duplicate then stoa.give_back{user_messages = user.id} end */
static int give_back(lua_State *L) {
    struct limit_ask asks[ASKS_MAX];
    struct worker *worker = script_state_worker(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    fleet_limiter_refund(worker->limits.fleet, asks, gather(L, script_state_of(L), asks));
    return bind_true(L);
}

/* The canonical form of an address: an IPv4-mapped IPv6 address becomes IPv4. All addresses that scripts see have this
 * form.
 * @function stoa.address
 * @param text "::ffff:192.0.2.7", for example
 * @return "192.0.2.7"
 * @error malformed: the text is not an address
 * @example local banned = stoa.address(name) or name */
static int address(lua_State *L) {
    struct address address;
    char text[ADDRESS_TEXT_MAX];
    luaL_checktype(L, 1, LUA_TSTRING);
    if (!address_parse(bind_text(L, 1), &address)) return bind_fail(L, "malformed");
    address_write(&address, text);
    lua_pushstring(L, text);
    return 1;
}

/* The key under which limits by address count: an IPv4 address, or the IPv6 network of an address (limits.ipv6_prefix).
 * A text that is not an address is returned unchanged.
 * @function stoa.crowd
 * @param address as handshakes and requests have it
 * @return "192.0.2.7", "2001:db8:1:2::/64"; nil: the address is one of limits.address_exceptions
 * @example local crowd = stoa.crowd(request.address) */
static int crowd(lua_State *L) {
    struct address address;
    struct network network;
    char text[NETWORK_TEXT_MAX];
    luaL_checktype(L, 1, LUA_TSTRING);
    if (!address_parse(bind_text(L, 1), &address)) {
        lua_settop(L, 1);
        return 1;
    }
    if (!admission_crowd(script_state_worker(L)->limits.admission, &address, &network)) return 0;
    network_write(&network, text);
    lua_pushstring(L, text);
    return 1;
}

void bind_limit(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"limit", limit_new}, {"take", take},   {"peek", peek}, {"give_back", give_back},
        {"address", address}, {"crowd", crowd}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
