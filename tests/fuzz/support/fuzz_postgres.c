/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fuzz_postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "loop/loop.h"
#include "loop/loop_fd.h"
#include "support/change.h"
#include "support/program.h"

/* COLUMNS: more than any statement has. */
enum { COLUMNS = 24, BATCH_MOST = 64, READ_MAX = 65536, HEAD_LEN = 5, SQL_MAX = 512, VERSION_3 = 196608 };

struct fuzz_postgres_client {
    struct list link;
    struct fuzz_postgres *postgres;
    int fd;
    struct loop_fd *io;
    struct buffer in;
    bool has_started, has_failed; /* failed: until the next Sync nothing is done */
    char sql[SQL_MAX];            /* of the last Parse; its beginning */
    struct loop_task reap;
};

struct fuzz_postgres {
    struct fuzz_server server;
    bool is_silent;
    unsigned errors_left, error, lies_left;
    unsigned char values[COLUMNS], rows;
    struct buffer lie, out;
};

/* NULL: SQL's. */
static const char *const values[] = {
    "1",         "0",
    "2",         "3",
    "",          NULL,
    "-1",        "9223372036854775807",
    "lobby",     "alice",
    "3-x",       "[\"message:new\",{\"seq\":1}]",
    "{\"a\":1}", "x",
    "m1",        "999999999999999999999",
    "{",         "1767225600000",
    "ok",        "duplicate",
    "conflict",  "too_large",
};
static const char *const errors[] = {
    "40001", "40P01", "55P03", "57014", "57P01", "57P03", "53300", "25006", "22P02", "23505",
    "42883", "42P01", "53100", "CH001", "CH002", "08006", "54000", "XX000", "01000",
};
#define LEN(table) (sizeof(table) / sizeof *(table))

const char *fuzz_postgres_conninfo(enum fuzz_port port) {
    static char conninfos[PORTS][96];
    snprintf(conninfos[port], sizeof conninfos[port], "host=%s port=%d user=x dbname=x sslmode=disable",
             fuzz_port_folder(), fuzz_port(port));
    return conninfos[port];
}

/* libpq 15 forgets an answer that has begun when a ReadyForQuery comes instead of its end: no fault of ours, but it
 * hides a PGresult that we would forget. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
    return "leak:PQmakeEmptyPGresult\nleak:libpq.so";
}

/* ---- messages of the protocol */

static void add_number(struct buffer *out, uint64_t number, unsigned bytes) {
    for (unsigned i = bytes; i > 0; i--) buffer_append_char(out, (char)(number >> (8 * (i - 1))));
}

static uint32_t number_at(const char *bytes) {
    const unsigned char *at = (const unsigned char *)bytes;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void add_message(struct buffer *out, char type, struct slice body) {
    buffer_append_char(out, type);
    add_number(out, (uint32_t)body.len + 4, 4);
    buffer_append_slice(out, body);
}

static void add_parameter(struct buffer *out, const char *name, const char *value) {
    struct buffer body = {0};
    buffer_printf(&body, "%s%c%s%c", name, 0, value, 0);
    add_message(out, 'S', buffer_slice(&body));
    buffer_done(&body);
}

static void add_greeting(struct buffer *out) {
    add_message(out, 'R', SLICE("\0\0\0\0"));
    add_parameter(out, "server_version", "15.0");
    add_parameter(out, "client_encoding", "UTF8");
    add_parameter(out, "standard_conforming_strings", "on");
    add_parameter(out, "default_transaction_read_only", "off");
    add_parameter(out, "in_hot_standby", "off");
    add_message(out, 'K', SLICE("\0\0\0\1\0\0\0\2"));
    add_message(out, 'Z', SLICE("I"));
}

/* type: E, or N for a notice. */
static void add_complaint(struct buffer *out, char type, const char *sqlstate) {
    struct buffer body = {0};
    const char *severity = type == 'E' ? "ERROR" : "WARNING";
    buffer_printf(&body, "S%s%cV%s%cC%s%cMit is so%c%c", severity, 0, severity, 0, sqlstate, 0, 0, 0);
    add_message(out, type, buffer_slice(&body));
    buffer_done(&body);
}

static void add_description(struct buffer *out) {
    struct buffer body = {0};
    add_number(&body, COLUMNS, 2);
    for (unsigned i = 0; i < COLUMNS; i++) {
        buffer_append_str(&body, "c");
        add_number(&body, 0, 1 + 4 + 2); /* the name's end; table, column */
        add_number(&body, 25, 4);        /* text */
        add_number(&body, 0xffff, 2);
        add_number(&body, 0xffffffff, 4);
        add_number(&body, 0, 2);
    }
    add_message(out, 'T', buffer_slice(&body));
    buffer_done(&body);
}

static void add_row(struct buffer *out, const char *const row[COLUMNS]) {
    struct buffer body = {0};
    add_number(&body, COLUMNS, 2);
    for (unsigned i = 0; i < COLUMNS; i++) {
        add_number(&body, row[i] ? (uint32_t)strlen(row[i]) : 0xffffffff, 4);
        if (row[i]) buffer_append_str(&body, row[i]);
    }
    add_message(out, 'D', buffer_slice(&body));
    buffer_done(&body);
}

/* ---- answers */

/* What the server asks before all else, answered as by a database that is well: {what the SQL has, values}. */
static const struct {
    const char *sql, *row[COLUMNS];
    unsigned rows;
} openings[] = {
    {"FROM stamp", {NULL}, 0},
    {"stoa_epoch(", {"3", "x", "9", "", "999"}, 1},
    {"stoa_prove(", {"3", "9", "", ""}, 1},
    {"FROM shard_buckets h", {"1"}, 1},
    {"stoa_floors(", {NULL}, 0},
};

static bool is_change(const char *sql) {
    return strncmp(sql, "SELECT", 6) != 0 && strncmp(sql, "WITH", 4) != 0 && !strstr(sql, "RETURNING");
}

/* Each of a batch has a row, whose first column is its number: here for as many as may be in one. */
static void add_appended(struct buffer *out, const char *row[COLUMNS]) {
    char number[8];
    row[0] = number;
    for (unsigned i = 1; i <= BATCH_MOST; i++) {
        snprintf(number, sizeof number, "%u", i);
        add_row(out, row);
    }
}

static void add_rows(const struct fuzz_postgres *postgres, const char *sql, struct buffer *out) {
    const char *row[COLUMNS];
    for (size_t i = 0; i < LEN(openings); i++) {
        if (!strstr(sql, openings[i].sql)) continue;
        if (openings[i].rows > 0) add_row(out, openings[i].row);
        return;
    }
    for (unsigned i = 0; i < COLUMNS; i++) row[i] = values[postgres->values[i] % LEN(values)];
    if (strstr(sql, "stoa_add_"))
        add_appended(out, row);
    else
        for (unsigned i = 0; i < postgres->rows % 4u; i++) add_row(out, row);
}

static void execute(struct fuzz_postgres_client *client, struct buffer *out) {
    struct fuzz_postgres *postgres = client->postgres;
    if (postgres->errors_left > 0) {
        const char *sqlstate = errors[postgres->error % LEN(errors)];
        bool is_notice = strcmp(sqlstate, "01000") == 0;
        postgres->errors_left--;
        add_complaint(out, is_notice ? 'N' : 'E', sqlstate);
        client->has_failed = !is_notice;
        if (client->has_failed) return;
    }
    if (is_change(client->sql)) {
        add_message(out, 'C', SLICE("UPDATE 1\0"));
    } else {
        add_rows(postgres, client->sql, out);
        add_message(out, 'C', SLICE("SELECT 1\0"));
    }
}

static void answer(struct fuzz_postgres_client *client, char type, struct slice body, struct buffer *out) {
    if (client->has_failed && type != 'S') return;
    switch (type) {
        case 'P':
            if (body.len > 0)
                snprintf(client->sql, sizeof client->sql, "%.*s", (int)body.len - 1,
                         body.ptr + strnlen(body.ptr, body.len - 1) + 1);
            add_message(out, '1', SLICE_NONE);
            break;
        case 'B':
            add_message(out, '2', SLICE_NONE);
            break;
        case 'D':
            if (is_change(client->sql))
                add_message(out, 'n', SLICE_NONE);
            else
                add_description(out);
            break;
        case 'E':
            execute(client, out);
            break;
        case 'S':
            client->has_failed = false;
            add_message(out, 'Z', SLICE("I"));
            break;
        default:
            break;
    }
}

/* ---- connections */

static void send_bytes(struct fuzz_postgres_client *client, struct slice bytes) {
    if (client->fd >= 0 && bytes.len > 0) (void)!send(client->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
}

static void free_client(struct loop_task *task) {
    struct fuzz_postgres_client *client = CONTAINER(task, struct fuzz_postgres_client, reap);
    loop_task_cancel(&client->reap);
    list_remove(&client->link);
    buffer_done(&client->in);
    free(client);
}

static void hang_up(struct fuzz_postgres_client *client) {
    if (client->fd < 0) return;
    loop_fd_free(&client->io);
    close(client->fd);
    client->fd = -1;
    loop_reap(client->postgres->server.loop, &client->reap);
}

static void message_came(struct fuzz_postgres_client *client, char type, struct slice body) {
    struct fuzz_postgres *postgres = client->postgres;
    if (postgres->is_silent) return;
    buffer_clear(&postgres->out);
    if (type == 'S' && postgres->lies_left > 0) {
        postgres->lies_left--;
        buffer_append_slice(&postgres->out, buffer_slice(&postgres->lie));
    } else {
        answer(client, type, body, &postgres->out);
    }
    send_bytes(client, buffer_slice(&postgres->out));
}

/* A query that is to be cancelled goes on, as it may. */
static void start(struct fuzz_postgres_client *client, struct slice body) {
    struct fuzz_postgres *postgres = client->postgres;
    client->has_started = body.len >= 4 && number_at(body.ptr) == VERSION_3;
    if (!client->has_started) {
        hang_up(client);
        return;
    }
    if (postgres->is_silent) return;
    buffer_clear(&postgres->out);
    add_greeting(&postgres->out);
    send_bytes(client, buffer_slice(&postgres->out));
}

/* False: it is not whole. */
static bool take_message(struct fuzz_postgres_client *client) {
    size_t head = client->has_started ? HEAD_LEN : HEAD_LEN - 1;
    const struct buffer *in = &client->in;
    if (in->len < head) return false;
    size_t len = number_at(in->ptr + head - 4) + head - 4;
    if (len < head || in->len < len) return false;
    struct slice body = {in->ptr + head, len - head};
    if (client->has_started)
        message_came(client, in->ptr[0], body);
    else
        start(client, body);
    buffer_consume(&client->in, len);
    return true;
}

static void readable(void *owner, int fd, int what) {
    struct fuzz_postgres_client *client = owner;
    ssize_t len = recv(fd, buffer_reserve(&client->in, READ_MAX), READ_MAX, 0);
    if (len <= 0) {
        hang_up(client);
        return;
    }
    client->in.len += (size_t)len;
    while (client->fd >= 0 && take_message(client)) continue;
}

static void accepted(struct fuzz_server *server, int fd) {
    struct fuzz_postgres_client *client = NEW(struct fuzz_postgres_client);
    client->postgres = CONTAINER(server, struct fuzz_postgres, server);
    client->fd = fd;
    client->io = loop_fd_new(server->loop, fd, LOOP_READ, readable, client);
    loop_task_init(&client->reap, free_client);
    list_append(&server->clients, &client->link);
}

static void hang_up_all(struct fuzz_postgres *postgres) {
    LIST_EACH(&postgres->server.clients, link) hang_up(CONTAINER(link, struct fuzz_postgres_client, link));
}

void fuzz_postgres_go_away(struct fuzz_postgres *postgres) {
    hang_up_all(postgres);
    fuzz_server_leave(&postgres->server);
}

void fuzz_postgres_come_back(struct fuzz_postgres *postgres) {
    postgres->is_silent = false;
    postgres->errors_left = postgres->lies_left = 0;
    fuzz_server_come(&postgres->server);
}

struct fuzz_postgres *fuzz_postgres_new(struct loop *loop, enum fuzz_port port) {
    struct fuzz_postgres *postgres = NEW(struct fuzz_postgres);
    fuzz_server_init(&postgres->server, loop, port, accepted);
    fuzz_postgres_come_back(postgres);
    return postgres;
}

void fuzz_postgres_free(struct fuzz_postgres **owned) {
    struct fuzz_postgres *postgres = *owned;
    if (!postgres) return;
    fuzz_postgres_go_away(postgres);
    LIST_EACH(&postgres->server.clients, link)
    free_client(&CONTAINER(link, struct fuzz_postgres_client, link)->reap);
    buffer_done(&postgres->lie);
    buffer_done(&postgres->out);
    free(postgres);
    *owned = NULL;
}

/* ---- what befalls it */

/* In place of an answer: a notice, an error of the connection, a setting that changes, an end, or bytes of the program.
 */
static void make_up(struct fuzz_postgres *postgres, struct program *program) {
    unsigned which = program_byte(program);
    struct buffer *lie = &postgres->lie;
    buffer_clear(lie);
    switch (which % 6) {
        case 0:
            add_complaint(lie, 'E', errors[which / 6 % LEN(errors)]);
            break;
        case 1:
            add_complaint(lie, 'N', errors[which / 6 % LEN(errors)]);
            break;
        case 2:
            add_parameter(lie, "in_hot_standby", "on");
            break;
        case 3:
            add_message(lie, 'Z', SLICE("I"));
            break;
        case 4:
            add_description(lie);
            break;
        default:
            buffer_append_slice(lie, program_bytes(program));
    }
    change(lie, program);
    if (lie->len > 1) lie->ptr[1] = 0; /* libpq makes room for whatever length is announced: here 16 MiB at most */
}

void fuzz_postgres_step(struct fuzz_postgres *postgres, struct program *program) {
    unsigned what = program_byte(program);
    switch (what % 8) {
        case 0:
            fuzz_postgres_go_away(postgres);
            break;
        case 1:
            fuzz_postgres_come_back(postgres);
            break;
        case 2:
            hang_up_all(postgres);
            break;
        case 3:
            postgres->is_silent = !postgres->is_silent;
            break;
        case 4:
            postgres->error = program_byte(program);
            postgres->errors_left = what / 8 + 1;
            break;
        case 5:
            make_up(postgres, program);
            postgres->lies_left = what / 8;
            break;
        case 6: /* nobody has asked */
            make_up(postgres, program);
            LIST_EACH(&postgres->server.clients, link)
            send_bytes(CONTAINER(link, struct fuzz_postgres_client, link), buffer_slice(&postgres->lie));
            break;
        default:
            postgres->rows = (unsigned char)(what / 8);
            for (unsigned i = 0; i < COLUMNS; i++) postgres->values[i] = program_byte(program);
    }
}
