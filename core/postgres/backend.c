/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres/backend.h"

#include <assert.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "loop/loop.h"
#include "loop/loop_fd.h"
#include "loop/resolver.h"
#include "postgres/cancel.h"
#include "postgres/query.h"
#include "postgres/target.h"

enum backend_state { BACKEND_RESOLVING, BACKEND_CONNECTING, BACKEND_READY, BACKEND_CLOSED };
enum backend_input { INPUT_START, INPUT_RESOLVED, INPUT_SOCKET, INPUT_TIMEOUT, INPUT_CLOSE };
/* A commit that waits for a standby is not cancelled; but a server may have stopped without closing anything. */
enum { COMMIT_PATIENCE_MS = 60000 };
enum { CANCEL_GRACE_MS = 1000, ADDRESS_MAX = 64, REASON_MAX = 200 };

struct backend {
    struct backend_settings settings;
    enum backend_state state;
    PGconn *connection;
    struct loop_fd *fd;
    struct loop_timer timer; /* of the address that is tried; then of the first query in flight */
    struct loop_task start, reap;
    struct resolver_question question;
    struct {
        unsigned host, hosts; /* of the target: the one that is tried, and how many were */
        char addresses[RESOLVER_ADDRESSES][ADDRESS_MAX];
        unsigned addresses_len, address; /* of the host; address: the one that is tried */
    } attempt;
    struct list in_flight;
    unsigned in_flight_len, statement; /* statement: of the first query, whose result comes next */
    bool unreplicated;                 /* the server said so of the first query's commit */
    bool cancelled, doomed;
    uint64_t born_ms, used_ms, first_ms; /* first: when the first query's turn came */
    char reason[REASON_MAX];             /* why it ended */
};

static void backend_step(struct backend *backend, enum backend_input input);

static void backend_set_state(struct backend *backend, enum backend_state state) {
    static const char *const names[] = {"resolving", "connecting", "ready", "closed"};
    assert(backend->state != BACKEND_CLOSED && (state == BACKEND_CLOSED || backend->state != BACKEND_READY));
    LOG(LOG_DEBUG, "postgres.backend", LOG_TEXT("target", target_name(backend->settings.target)),
        LOG_TEXT("from", names[backend->state]), LOG_TEXT("to", names[state]));
    backend->state = state;
}

static void set_reason(struct backend *backend, const char *reason) {
    snprintf(backend->reason, sizeof backend->reason, "%.*s", (int)strcspn(reason, "\n"), reason);
}

/* Trampolines. */

static void started(struct loop_task *task) {
    backend_step(CONTAINER(task, struct backend, start), INPUT_START);
}

static void socket_ready(void *owner, int fd, int ready) {
    backend_step(owner, INPUT_SOCKET);
}

static void timed_out(struct loop_timer *timer) {
    backend_step(CONTAINER(timer, struct backend, timer), INPUT_TIMEOUT);
}

static void resolved(struct resolver_question *question, const struct sockaddr_storage *addresses, size_t len) {
    struct backend *backend = CONTAINER(question, struct backend, question);
    backend->attempt.addresses_len = 0;
    for (size_t i = 0; i < len; i++)
        if (getnameinfo((const struct sockaddr *)&addresses[i], resolver_address_len(&addresses[i]),
                        backend->attempt.addresses[backend->attempt.addresses_len], ADDRESS_MAX, NULL, 0,
                        NI_NUMERICHOST) == 0)
            backend->attempt.addresses_len++;
    backend_step(backend, INPUT_RESOLVED);
}

/* A commit that is not on the standby: a server says so in a warning, in its own language. */
static void noticed(void *owner, const PGresult *notice) {
    struct backend *backend = owner;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (!severity || !sqlstate || strcmp(severity, "WARNING") != 0) return;
    LOG(LOG_WARNING, "postgres.notice", LOG_TEXT("target", target_name(backend->settings.target)),
        LOG_TEXT("sqlstate", sqlstate), LOG_TEXT("message", message));
    if (strcmp(sqlstate, "01000") == 0 || strcmp(sqlstate, "57P01") == 0) backend->unreplicated = true;
}

/* Connecting. */

static void drop_connection(struct backend *backend) {
    loop_fd_free(&backend->fd); /* before its descriptor is closed */
    PQfinish(backend->connection);
    backend->connection = NULL;
}

static void watch(struct backend *backend, int interest) {
    if (backend->fd)
        loop_fd_set(backend->fd, interest);
    else
        backend->fd =
            loop_fd_new(backend->settings.loop, PQsocket(backend->connection), interest, socket_ready, backend);
}

/* The address at hand, NULL: the target knows it itself. False: it failed at once. */
static bool begin_address(struct backend *backend) {
    const char *address = backend->attempt.addresses_len ? backend->attempt.addresses[backend->attempt.address] : NULL;
    backend->connection = target_connect(backend->settings.target, backend->attempt.host, address);
    if (!backend->connection) abort();
    if (PQstatus(backend->connection) == CONNECTION_BAD || PQsocket(backend->connection) < 0) {
        set_reason(backend, PQerrorMessage(backend->connection));
        drop_connection(backend);
        return false;
    }
    PQsetNoticeReceiver(backend->connection, noticed, backend);
    loop_timer_set(&backend->timer, backend->settings.connect_timeout_ms);
    watch(backend, LOOP_WRITE);
    return true;
}

static void begin_host(struct backend *backend) {
    const struct target *target = backend->settings.target;
    const char *name = target_host(target, backend->attempt.host);
    backend->attempt.addresses_len = backend->attempt.address = 0;
    backend_set_state(backend, BACKEND_RESOLVING);
    loop_timer_set(&backend->timer, backend->settings.connect_timeout_ms);
    if (name && name[0] != '/')
        resolver_ask(backend->settings.resolver, &backend->question, name, target_port(target, backend->attempt.host));
    else
        backend_step(backend, INPUT_RESOLVED);
}

static void next_host(struct backend *backend) {
    if (++backend->attempt.hosts >= target_hosts(backend->settings.target)) {
        backend_close(backend, backend->reason);
        return;
    }
    backend->attempt.host = (backend->attempt.host + 1) % target_hosts(backend->settings.target);
    begin_host(backend);
}

static void next_address(struct backend *backend) {
    drop_connection(backend);
    while (++backend->attempt.address < backend->attempt.addresses_len)
        if (begin_address(backend)) return;
    next_host(backend);
}

static void connect_resolved(struct backend *backend) {
    const char *name = target_host(backend->settings.target, backend->attempt.host);
    backend_set_state(backend, BACKEND_CONNECTING);
    if (name && name[0] != '/' && backend->attempt.addresses_len == 0) {
        set_reason(backend, "no address for the host's name");
        next_host(backend);
    } else if (!begin_address(backend)) {
        next_address(backend);
    }
}

static void become_ready(struct backend *backend) {
    loop_timer_cancel(&backend->timer);
    if (PQsetnonblocking(backend->connection, 1) != 0 || !PQenterPipelineMode(backend->connection)) {
        backend_close(backend, PQerrorMessage(backend->connection));
        return;
    }
    backend_set_state(backend, BACKEND_READY);
    backend->born_ms = backend->used_ms = loop_now_ms(backend->settings.loop);
    watch(backend, LOOP_READ);
    backend->settings.events->ready(backend->settings.owner, backend, backend->attempt.host);
}

static void poll_connection(struct backend *backend) {
    loop_fd_free(&backend->fd); /* libpq may go on with another socket of the same number */
    switch (PQconnectPoll(backend->connection)) {
        case PGRES_POLLING_READING:
            watch(backend, LOOP_READ);
            break;
        case PGRES_POLLING_WRITING:
            watch(backend, LOOP_WRITE);
            break;
        case PGRES_POLLING_OK:
            become_ready(backend);
            break;
        default:
            set_reason(backend, PQerrorMessage(backend->connection));
            next_address(backend);
    }
}

/* Queries. */

static struct query *first_query(const struct backend *backend) {
    return list_empty(&backend->in_flight) ? NULL : CONTAINER(backend->in_flight.next, struct query, link);
}

static void hand_back(struct backend *backend, struct query *query) {
    list_remove(&query->link);
    backend->in_flight_len--;
    backend->statement = 0;
    backend->settings.events->finished(backend->settings.owner, backend, query);
}

static void set_deadline(struct backend *backend) {
    const struct query *query = first_query(backend);
    loop_timer_cancel(&backend->timer);
    if (!query) return;
    uint64_t now = loop_now_ms(backend->settings.loop);
    backend->first_ms = now;
    uint64_t due = query->due_ms + (query->waits_for_commit ? COMMIT_PATIENCE_MS : 0);
    loop_timer_set(&backend->timer, due > now ? due - now : 1);
}

static bool send_statement(struct backend *backend, const struct statement *statement) {
    const struct parameters *parameters = &statement->parameters;
    Oid types[PARAMETERS_MAX];
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];
    for (unsigned i = 0; i < parameters->len; i++) {
        const struct parameter *item = &parameters->items[i];
        types[i] = item->type;
        values[i] = item->is_null ? NULL : parameters->bytes.ptr + item->start;
        lengths[i] = (int)item->len;
        formats[i] = 1;
    }
    return PQsendQueryParams(backend->connection, statement->sql, (int)parameters->len, types, values, lengths, formats,
                             0);
}

static void flush(struct backend *backend) {
    int left = PQflush(backend->connection);
    if (left < 0)
        backend_close(backend, PQerrorMessage(backend->connection));
    else
        watch(backend, left ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

void backend_send(struct backend *backend, struct query **owned) {
    struct query *query = *owned;
    *owned = NULL;
    assert(backend->state == BACKEND_READY && !backend->doomed);
    list_append(&backend->in_flight, &query->link);
    backend->in_flight_len++;
    backend->used_ms = loop_now_ms(backend->settings.loop);
    query->outcome = QUERY_UNKNOWN;
    if (backend->in_flight_len == 1) set_deadline(backend);
    bool sent = true;
    for (unsigned i = 0; sent && i < query->statements_len; i++) sent = send_statement(backend, &query->statements[i]);
    if (sent && PQpipelineSync(backend->connection))
        flush(backend);
    else
        backend_close(backend, PQerrorMessage(backend->connection));
}

static void note_error(struct query *query, const PGresult *result) {
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (query->sqlstate[0]) return;
    snprintf(query->sqlstate, sizeof query->sqlstate, "%s", sqlstate ? sqlstate : "08006");
    snprintf(query->message, sizeof query->message, "%s", message ? message : PQresultErrorMessage(result));
}

/* Its transaction is over: what it was told before, holds. */
static void finish_first(struct backend *backend) {
    struct query *query = first_query(backend);
    query->outcome = backend->unreplicated ? QUERY_UNKNOWN : query->sqlstate[0] ? QUERY_REFUSED : QUERY_OK;
    backend->unreplicated = false;
    if (backend->cancelled || sqlstate_dooms(query->sqlstate))
        backend_doom(backend, query->sqlstate[0] ? query->message : "cancelled");
    hand_back(backend, query);
    if (backend->state != BACKEND_READY) return;
    if (backend->doomed && backend->in_flight_len == 0)
        backend_close(backend, backend->reason);
    else
        set_deadline(backend);
}

static void take_result(struct backend *backend, PGresult *result) {
    struct query *query = first_query(backend);
    switch (PQresultStatus(result)) {
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
            PQclear(query->statements[backend->statement].result);
            query->statements[backend->statement].result = result;
            return;
        case PGRES_PIPELINE_SYNC:
            finish_first(backend);
            break;
        case PGRES_PIPELINE_ABORTED:
            break;
        default:
            note_error(query, result);
    }
    PQclear(result);
}

static void take_results(struct backend *backend) {
    while (backend->state == BACKEND_READY && backend->in_flight_len > 0 && !PQisBusy(backend->connection)) {
        PGresult *result = PQgetResult(backend->connection);
        if (result)
            take_result(backend, result);
        else if (PQstatus(backend->connection) == CONNECTION_BAD)
            break;
        else if (backend->statement + 1 < first_query(backend)->statements_len)
            backend->statement++;
    }
}

static void exchange(struct backend *backend) {
    bool good = PQconsumeInput(backend->connection);
    take_results(backend);
    if (backend->state != BACKEND_READY) return;
    if (backend->in_flight_len == 0) PQisBusy(backend->connection); /* reads what the server tells an idle connection */
    if (!good || PQstatus(backend->connection) == CONNECTION_BAD)
        backend_close(backend, PQerrorMessage(backend->connection));
    else
        flush(backend);
}

static void query_overdue(struct backend *backend) {
    if (backend->cancelled || first_query(backend)->waits_for_commit || !cancel_send(backend->connection)) {
        backend_close(backend, "a query is overdue, and was not cancelled");
        return;
    }
    backend->cancelled = true;
    loop_timer_set(&backend->timer, CANCEL_GRACE_MS);
}

/* Closing. */

static void reap(struct loop_task *task) {
    free(CONTAINER(task, struct backend, reap));
}

static void end(struct backend *backend) {
    backend_set_state(backend, BACKEND_CLOSED);
    loop_task_cancel(&backend->start);
    loop_timer_cancel(&backend->timer);
    resolver_forget(&backend->question);
    drop_connection(backend);
    for (struct query *query; (query = first_query(backend));) {
        query->outcome = QUERY_UNKNOWN;
        hand_back(backend, query);
    }
    backend->settings.events->closed(backend->settings.owner, backend, backend->reason);
    loop_reap(backend->settings.loop, &backend->reap);
}

static void backend_step(struct backend *backend, enum backend_input input) {
    if (input == INPUT_CLOSE) {
        if (backend->state != BACKEND_CLOSED) end(backend);
        return;
    }
    switch (backend->state) {
        case BACKEND_RESOLVING:
            if (input == INPUT_START) begin_host(backend);
            if (input == INPUT_RESOLVED) connect_resolved(backend);
            if (input == INPUT_TIMEOUT) {
                resolver_forget(&backend->question);
                set_reason(backend, "the host's name was not resolved in time");
                next_host(backend);
            }
            break;
        case BACKEND_CONNECTING:
            if (input == INPUT_SOCKET) poll_connection(backend);
            if (input == INPUT_TIMEOUT) {
                set_reason(backend, "the server did not answer in time");
                next_address(backend);
            }
            break;
        case BACKEND_READY:
            if (input == INPUT_SOCKET) exchange(backend);
            if (input == INPUT_TIMEOUT) query_overdue(backend);
            break;
        case BACKEND_CLOSED:
            break;
    }
}

struct backend *backend_new(const struct backend_settings *settings) {
    struct backend *backend = NEW(struct backend);
    backend->settings = *settings;
    backend->attempt.host = settings->first_host;
    backend->question.done = resolved;
    list_init(&backend->in_flight);
    loop_timer_init(&backend->timer, settings->loop, timed_out);
    loop_task_init(&backend->start, started);
    loop_task_init(&backend->reap, reap);
    loop_post(settings->loop, &backend->start);
    return backend;
}

unsigned backend_in_flight(const struct backend *backend) {
    return backend->in_flight_len;
}

uint64_t backend_held_up_ms(const struct backend *backend) {
    return backend->in_flight_len > 0 ? loop_now_ms(backend->settings.loop) - backend->first_ms : 0;
}

bool backend_is_ready(const struct backend *backend) {
    return backend->state == BACKEND_READY && !backend->doomed;
}

uint64_t backend_born_ms(const struct backend *backend) {
    return backend->born_ms;
}

uint64_t backend_used_ms(const struct backend *backend) {
    return backend->used_ms;
}

void backend_doom(struct backend *backend, const char *reason) {
    if (backend->doomed || backend->state == BACKEND_CLOSED) return;
    backend->doomed = true;
    set_reason(backend, reason);
    if (backend->state == BACKEND_READY && backend->in_flight_len > 0) return;
    backend_close(backend, reason);
}

bool backend_is_doomed(const struct backend *backend) {
    return backend->doomed;
}

void backend_close(struct backend *backend, const char *reason) {
    if (backend->state != BACKEND_CLOSED && reason != backend->reason) set_reason(backend, reason);
    backend_step(backend, INPUT_CLOSE);
}
