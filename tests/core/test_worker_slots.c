/* SPDX-License-Identifier: Apache-2.0 */
/* The slots of a server's workers: sockets of one port, names in session ids, states that all processes see. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "process/listen.h"
#include "process/worker_slots.h"
#include "worker/settings.h"

static struct worker_slots *open_places(unsigned len, const char *address) {
    struct error error;
    struct worker_slots *slots = worker_slots_new(len, &address, 1, 16, &error);
    if (!slots) fail_msg("%s", error.text);
    return slots;
}

static int inbox_of(const struct worker_slots *slots, unsigned own, unsigned owner) {
    char id[ID_SESSION_LEN];
    memset(id, 'x', sizeof id);
    char name[WORKER_SLOT_NAME_LEN + 1];
    worker_slots_name(slots, owner, name);
    memcpy(id, name, WORKER_SLOT_NAME_LEN);
    return worker_slots_inbox_of(slots, own, (struct slice){id, sizeof id});
}

static void a_session_id_names_its_owner(void **state) {
    struct worker_slots *slots = open_places(100, "127.0.0.1:0");
    for (unsigned i = 0; i < 100; i++) worker_slots_show(slots, i, WORKER_SLOT_READY);
    for (unsigned i = 0; i < 100; i++) {
        int inbox = inbox_of(slots, 7, i);
        assert_int_equal(inbox < 0, i == 7);
        if (i == 7) continue;
        assert_int_equal(send(inbox, &i, sizeof i, 0), sizeof i);
        unsigned got;
        assert_int_equal(recv(worker_slots_inbox(slots, i), &got, sizeof got, 0), sizeof got);
        assert_int_equal(got, i);
    }
    worker_slots_free(&slots);
}

static void what_names_nobody_here_is_nobodys(void **state) {
    struct worker_slots *slots = open_places(3, "127.0.0.1:0"), *others = open_places(3, "127.0.0.1:0");
    char name[WORKER_SLOT_NAME_LEN + 1], id[32];
    for (unsigned i = 0; i < 3; i++) worker_slots_show(slots, i, WORKER_SLOT_READY);
    worker_slots_name(slots, 1, name);
    static const char *const ends[] = {"AD", "__", "A ", "\xff\xff", "A"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(id, sizeof id, "%.4s%s", name, ends[i]);
        assert_int_equal(worker_slots_inbox_of(slots, 0, slice_of(id)), -1);
    }
    assert_int_equal(worker_slots_inbox_of(slots, 0, SLICE("")), -1);
    worker_slots_name(others, 1, id);
    assert_string_not_equal(id, name);
    assert_int_equal(worker_slots_inbox_of(slots, 0, slice_of(id)), -1);
    assert_true(worker_slots_inbox_of(slots, 0, slice_of(name)) >= 0);
    worker_slots_free(&slots);
    worker_slots_free(&others);
}

/* Among a thousand servers, two share a name once in 30 starts of all. */
static void four_random_characters_tell_servers_apart(void **state) {
    bool differs[WORKER_SLOT_NAME_LEN] = {false};
    char first[WORKER_SLOT_NAME_LEN + 1], name[WORKER_SLOT_NAME_LEN + 1];
    for (int server = 0; server < 50; server++) {
        struct worker_slots *slots = open_places(1, "127.0.0.1:0");
        worker_slots_name(slots, 0, server ? name : first);
        for (int i = 0; server && i < WORKER_SLOT_NAME_LEN; i++) differs[i] |= name[i] != first[i];
        worker_slots_free(&slots);
    }
    for (int i = 0; i < WORKER_SLOT_NAME_LEN; i++) assert_int_equal(differs[i], i < 4);
}

static void an_owner_that_does_not_run_has_no_sessions(void **state) {
    struct worker_slots *slots = open_places(2, "127.0.0.1:0");
    assert_int_equal(inbox_of(slots, 0, 1), -1);
    worker_slots_show(slots, 1, WORKER_SLOT_STARTING);
    assert_int_equal(inbox_of(slots, 0, 1), -1);
    static const enum worker_slot_state runs[] = {WORKER_SLOT_READY, WORKER_SLOT_FAILING, WORKER_SLOT_DRAINING};
    for (size_t i = 0; i < 3; i++) {
        worker_slots_show(slots, 1, runs[i]);
        assert_true(inbox_of(slots, 0, 1) >= 0);
    }
    worker_slots_free(&slots);
}

static void states_are_seen_across_processes(void **state) {
    struct worker_slots *slots = open_places(2, "127.0.0.1:0");
    if (fork() == 0) {
        worker_slots_show(slots, 1, WORKER_SLOT_FAILING);
        _exit(0);
    }
    assert_true(wait(NULL) > 0);
    assert_int_equal(worker_slots_count(slots, WORKER_SLOT_FAILING), 1);
    assert_int_equal(worker_slots_count(slots, WORKER_SLOT_EMPTY), 1);
    worker_slots_free(&slots);
}

static void all_listen_for_metrics_too_where_that_is_wanted(void **state) {
    struct error error;
    const char *address = "127.0.0.1:0";
    char clients[LISTEN_ADDRESS_MAX], first[LISTEN_ADDRESS_MAX], other[LISTEN_ADDRESS_MAX];
    struct worker_slots *slots = open_places(2, address);
    worker_slots_metrics_addresses(slots, other, sizeof other);
    assert_string_equal(other, "");
    assert_int_equal(worker_slots_metrics_fd(slots, 0, 0), -1);
    assert_true(worker_slots_listen_for_metrics(slots, &address, 1, 16, &error));
    worker_slots_metrics_addresses(slots, first, sizeof first);
    worker_slots_addresses(slots, clients, sizeof clients);
    assert_string_not_equal(first, clients);
    for (unsigned i = 0; i < 2; i++) {
        listen_address(worker_slots_metrics_fd(slots, i, 0), other);
        assert_string_equal(first, other);
    }
    const char *taken = first;
    assert_null(worker_slots_new(1, &taken, 1, 16, &error));
    worker_slots_close_listening(slots);
    assert_int_equal(worker_slots_metrics_fd(slots, 0, 0), -1);
    worker_slots_free(&slots);
}

static void all_listen_on_one_port_and_nobody_else_may(void **state) {
    struct error error;
    char first[LISTEN_ADDRESS_MAX], other[LISTEN_ADDRESS_MAX];
    struct worker_slots *slots = open_places(3, "127.0.0.1:0");
    listen_address(worker_slots_listen_fd(slots, 0, 0), first);
    for (unsigned i = 1; i < 3; i++) {
        listen_address(worker_slots_listen_fd(slots, i, 0), other);
        assert_string_equal(first, other);
        assert_int_equal(worker_slots_listen_fd(slots, i, 1), -1);
    }
    const char *taken = first;
    assert_null(worker_slots_new(3, &taken, 1, 16, &error));
    assert_non_null(strstr(error.text, "Address already in use"));
    assert_null(worker_slots_new(1, &taken, 1, 16, &error));
    worker_slots_close_listening(slots);
    struct worker_slots *next = open_places(3, first);
    worker_slots_free(&next);
    worker_slots_free(&slots);
}

static int connect_to(int fd) {
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    int client = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = connect(client, (struct sockaddr *)&name, len);
    close(client);
    return result;
}

/* Both families on the same port, and a Unix socket that is as open as it was said to be and goes with the server. */
static void one_server_listens_on_several_addresses(void **state) {
    char folder[] = "/tmp/stoa-listen-XXXXXX", text[64], all[512];
    struct error error;
    struct stat file;
    assert_non_null(mkdtemp(folder));
    snprintf(text, sizeof text, "unix:%s/http.sock,mode=0620", folder);
    const char *addresses[] = {"127.0.0.1:0", ":0", text};
    struct worker_slots *slots = worker_slots_new(2, addresses, 3, 16, &error);
    if (!slots) fail_msg("%s", error.text);
    unsigned len = 0;
    for (int fd; (fd = worker_slots_listen_fd(slots, 1, len)) >= 0; len++) assert_int_equal(connect_to(fd), 0);
    assert_in_range(len, 3, 4); /* a machine without IPv6 has one less */
    worker_slots_addresses(slots, all, sizeof all);
    assert_non_null(strstr(all, ",unix:/tmp/stoa-listen-"));
    snprintf(text, sizeof text, "%s/http.sock", folder);
    assert_int_equal(stat(text, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0620);
    if (len == 4) { /* IPv6 alone: two sockets, one port */
        char four[LISTEN_ADDRESS_MAX], six[LISTEN_ADDRESS_MAX];
        listen_address(worker_slots_listen_fd(slots, 0, 1), four);
        listen_address(worker_slots_listen_fd(slots, 0, 2), six);
        assert_string_equal(strrchr(four, ':'), strrchr(six, ':'));
    }
    worker_slots_remove_names(slots);
    worker_slots_free(&slots);
    assert_int_equal(stat(text, &file), -1);
    rmdir(folder);
}

static void what_is_no_address_is_refused_with_a_reason(void **state) {
    static const char *const rows[][2] = {
        {"3000", "no ADDRESS:PORT"},
        {"::1:3000", "stands in brackets"},
        {"127.0.0.1:66000", "no ADDRESS:PORT"},
        {"unix:http.sock", "begins with /"},
        {"unix:/a,mode=9", "no mode=OCTAL"},
        {"unix:/a,mode=1777", "no mode=OCTAL"},
        {"unix:/a,owner=", "no mode=OCTAL"},
        {"unix:/a,color=red", "no mode=OCTAL"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error error = {""};
        assert_false(listen_check(&rows[i][0], 1, &error));
        if (!strstr(error.text, rows[i][1])) fail_msg("%s: %s", rows[i][0], error.text);
    }
    struct error error = {""};
    const char *stranger = "unix:/tmp/stoa-nobody.sock,owner=nobody-at-all";
    assert_null(worker_slots_new(1, &stranger, 1, 16, &error));
    assert_non_null(strstr(error.text, "there is no user \"nobody-at-all\""));
    assert_int_equal(unlink("/tmp/stoa-nobody.sock"), -1); /* nothing is left of it */
}

static int bind_to(const char *path, int type) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void only_a_name_that_nobody_listens_on_is_taken_over(void **state) {
    char folder[] = "/tmp/stoa-listen-XXXXXX", text[64];
    struct error error = {""};
    struct stat file;
    assert_non_null(mkdtemp(folder));
    snprintf(text, sizeof text, "unix:%s/http.sock", folder);
    const char *address = text, *path = text + 5;
    close(bind_to(path, SOCK_STREAM)); /* of a server that was killed */
    struct worker_slots *slots = open_places(1, text);
    assert_null(worker_slots_new(1, &address, 1, 16, &error));
    assert_non_null(strstr(error.text, "another server listens there"));
    assert_int_equal(connect_to(worker_slots_listen_fd(slots, 0, 0)), 0);
    worker_slots_remove_names(slots);
    worker_slots_free(&slots);

    int logger = bind_to(path, SOCK_DGRAM); /* another program, with which we cannot speak */
    assert_null(worker_slots_new(1, &address, 1, 16, &error));
    assert_int_equal(stat(path, &file), 0);
    close(logger);
    unlink(path);
    FILE *somebodys = fopen(path, "w");
    fclose(somebodys);
    assert_null(worker_slots_new(1, &address, 1, 16, &error));
    assert_int_equal(stat(path, &file), 0);
    unlink(path);
    rmdir(folder);
}

static void auto_is_a_worker_a_processor_and_enough_for_the_connections(void **state) {
    struct config config = {.limits.connections = 50000};
    assert_int_equal(settings_of_workers(&config, 2, 19744), 3);
    assert_int_equal(settings_of_workers(&config, 8, 19744), 8);
    assert_int_equal(settings_of_workers(&config, 2, 50000), 2);
    assert_int_equal(settings_of_workers(&config, 2, 1), WORKER_SLOTS_MAX);
    config.limits.connections = 0;
    assert_int_equal(settings_of_workers(&config, 2, 100), 2);
    config.workers = 5;
    assert_int_equal(settings_of_workers(&config, 2, 19744), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_id_names_its_owner),
        cmocka_unit_test(what_names_nobody_here_is_nobodys),
        cmocka_unit_test(four_random_characters_tell_servers_apart),
        cmocka_unit_test(an_owner_that_does_not_run_has_no_sessions),
        cmocka_unit_test(states_are_seen_across_processes),
        cmocka_unit_test(all_listen_for_metrics_too_where_that_is_wanted),
        cmocka_unit_test(all_listen_on_one_port_and_nobody_else_may),
        cmocka_unit_test(one_server_listens_on_several_addresses),
        cmocka_unit_test(what_is_no_address_is_refused_with_a_reason),
        cmocka_unit_test(only_a_name_that_nobody_listens_on_is_taken_over),
        cmocka_unit_test(auto_is_a_worker_a_processor_and_enough_for_the_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
