/* SPDX-License-Identifier: Apache-2.0 */
#include "support/redis_stage.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/log.h"

struct loop *stage_loop;
static unsigned haste_ms; /* how much time passes in an idle turn; 0: real time */

void stage_turn(void) {
    if (loop_turn(stage_loop)) return;
    poll(NULL, 0, 1); /* no work was done */
    if (haste_ms) loop_advance(stage_loop, haste_ms);
}

void stage_pass(unsigned ms) {
    for (uint64_t end_ms = loop_now_ms(stage_loop) + ms; loop_now_ms(stage_loop) < end_ms;) stage_turn();
}

int stage_set_up(void **state) {
    stage_loop = loop_new();
    haste_ms = 0;
    log_set_level(getenv("STOA_TEST_LOG") ? LOG_DEBUG : LOG_ERROR);
    return 0;
}

int stage_set_up_in_haste(void **state) {
    stage_set_up(state);
    loop_free(&stage_loop);
    stage_loop = loop_new_with_fake_clock();
    haste_ms = 10;
    return 0;
}

int stage_tear_down(void **state) {
    loop_free(&stage_loop);
    return 0;
}

static void show(struct buffer *out, const struct redis_value *value) {
    if (value->type == REDIS_STRING || value->type == REDIS_ERROR) buffer_append_slice(out, value->text);
    if (value->type == REDIS_INTEGER) buffer_printf(out, "%lld", (long long)value->integer);
    if (value->type == REDIS_NIL) buffer_append_str(out, "nil");
    for (size_t i = 0; value->type == REDIS_ARRAY && i < value->items_len; i++) {
        if (i) buffer_append_char(out, ' ');
        show(out, &value->items[i]);
    }
}

static void remember(struct redis_call *call, const struct redis_answer *answer) {
    struct asked *asked = CONTAINER(call, struct asked, call);
    asked->answers++;
    asked->status = answer->status;
    asked->unsure = answer->unsure;
    snprintf(asked->reason, sizeof(asked->reason), "%s", answer->reason ? answer->reason : "");
    asked->text[0] = '\0';
    if (!answer->value) return;
    struct buffer text = {0};
    show(&text, answer->value);
    asked->type = answer->value->type;
    asked->integer = answer->value->integer;
    snprintf(asked->text, sizeof(asked->text), "%.*s", SLICE_ARG(buffer_slice(&text)));
    buffer_done(&text);
}

void asked_init(struct asked *asked) {
    *asked = (struct asked){.call = {.done = remember, .deadline_ms = 10000}};
}

void ask(struct redis *redis, struct asked *asked, const char *command) {
    struct slice words[32];
    size_t len = 0;
    for (const char *at = command; *at && len < 32; len++) {
        words[len] = (struct slice){at, strcspn(at, " ")};
        at += words[len].len;
        at += strspn(at, " ");
    }
    struct slice key = len > 1 && words[1].ptr[0] != '-' ? words[1] : SLICE_NONE;
    redis_command(redis, &asked->call, key, words, len);
}

struct asked answer_to(struct redis *redis, const char *command) {
    struct asked asked;
    asked_init(&asked);
    ask(redis, &asked, command);
    stage_until(asked.answers > 0);
    return asked;
}

struct redis *redis_to(enum redis_mode mode, const char *const *nodes, size_t len) {
    struct redis_settings settings = {.mode = mode, .nodes = nodes, .nodes_len = len, .master = "mymaster"};
    return redis_new(stage_loop, &settings, NULL, NULL);
}

/* --- a subscriber --- */

static void on_message(void *owner, enum topic_kind kind, struct slice pattern, struct slice topic,
                       struct slice payload) {
    struct ears *ears = owner;
    ears->messages++;
    if (kind == TOPIC_PATTERN) buffer_printf(&ears->heard, "%.*s>", SLICE_ARG(pattern));
    buffer_printf(&ears->heard, "%.*s=%.*s ", SLICE_ARG(topic), SLICE_ARG(payload));
}

static void on_subscribed(void *owner, enum topic_kind kind, struct slice topic) {
    struct ears *ears = owner;
    ears->subscribed++;
    buffer_printf(&ears->heard, "+%.*s ", SLICE_ARG(topic));
}

static void on_lost(void *owner, enum topic_kind kind, struct slice topic) {
    struct ears *ears = owner;
    ears->lost++;
    buffer_printf(&ears->heard, "-%.*s ", SLICE_ARG(topic));
}

void ears_open(struct ears *ears, struct redis *redis) {
    static const struct subscriber_events events = {on_message, on_subscribed, on_lost};
    *ears = (struct ears){0};
    ears->subscriber = subscriber_new(redis, &(struct subscriber_settings){.linger_ms = 100}, &events, ears);
}

void ears_close(struct ears *ears) {
    subscriber_free(&ears->subscriber);
    buffer_done(&ears->heard);
}

bool ears_heard(struct ears *ears, const char *text) {
    buffer_append_char(&ears->heard, '\0');
    bool found = strstr(ears->heard.ptr, text) != NULL;
    ears->heard.len--;
    if (found) buffer_clear(&ears->heard);
    return found;
}

/* --- real servers --- */

static const char *folder(void) {
    const char *path = getenv("STOA_TEST_REDIS");
    if (!path) fail_msg("STOA_TEST_REDIS names no folder: run by ctest");
    return path;
}

size_t real_ports(const char *file, int *ports_r, size_t max) {
    char path[512];
    size_t len = 0;
    snprintf(path, sizeof(path), "%s/%s", folder(), file);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (len < max && fscanf(in, "%d", &ports_r[len]) == 1) len++;
    fclose(in);
    return len;
}

char *redis_cli(int port, const char *format, ...) {
    char arguments[512], command[640];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof(arguments), format, list);
    va_end(list);
    snprintf(command, sizeof(command), "timeout 20 redis-cli -p %d %s 2>&1", port, arguments);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    char *text = memory_new(65536);
    size_t len = fread(text, 1, 65535, out);
    pclose(out);
    while (len > 0 && text[len - 1] == '\n') text[--len] = '\0';
    return text;
}

void real_signal(int port, int signal_number) {
    char path[512];
    int pid = 0;
    snprintf(path, sizeof(path), "%s/%d/pid", folder(), port);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    assert_int_equal(fscanf(in, "%d", &pid), 1);
    fclose(in);
    assert_int_equal(kill(pid, signal_number), 0);
}

void real_kill(int port) {
    real_signal(port, SIGKILL);
}

void real_set_clock(long long ahead_ms) {
    char path[512];
    int64_t ahead_us = ahead_ms * 1000;
    snprintf(path, sizeof(path), "%s/clock", folder());
    FILE *out = fopen(path, "r+");
    assert_non_null(out);
    assert_int_equal(fwrite(&ahead_us, sizeof(ahead_us), 1, out), 1);
    fclose(out);
}

void real_start(int port) {
    char command[640];
    snprintf(command, sizeof(command), "bash %s/redis.sh start %s %d", SERVERS, folder(), port);
    assert_int_equal(system(command), 0);
}
