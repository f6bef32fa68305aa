/* The places of a server's workers: sockets of one port, names in session ids, states that all processes see. */
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
#include "server/listen.h"
#include "server/places.h"
#include "server/settings.h"

static struct places *open_places(unsigned len, const char *address) {
    struct error error;
    struct places *places = places_new(len, &address, 1, 16, &error);
    if (!places) fail_msg("%s", error.text);
    return places;
}

static int inbox_of(const struct places *places, unsigned own, unsigned owner) {
    char id[ID_SESSION_LEN];
    memset(id, 'x', sizeof id);
    char name[PLACE_NAME_LEN + 1];
    places_name(places, owner, name);
    memcpy(id, name, PLACE_NAME_LEN);
    return places_inbox_of(places, own, (struct slice){id, sizeof id});
}

static void a_session_id_names_its_owner(void **state) {
    struct places *places = open_places(100, "127.0.0.1:0");
    for (unsigned i = 0; i < 100; i++) places_show(places, i, PLACE_READY);
    for (unsigned i = 0; i < 100; i++) {
        int inbox = inbox_of(places, 7, i);
        assert_int_equal(inbox < 0, i == 7);
        if (i == 7) continue;
        assert_int_equal(send(inbox, &i, sizeof i, 0), sizeof i);
        unsigned got;
        assert_int_equal(recv(places_inbox(places, i), &got, sizeof got, 0), sizeof got);
        assert_int_equal(got, i);
    }
    places_free(&places);
}

static void what_names_nobody_here_is_nobodys(void **state) {
    struct places *places = open_places(3, "127.0.0.1:0"), *others = open_places(3, "127.0.0.1:0");
    char name[PLACE_NAME_LEN + 1], id[32];
    for (unsigned i = 0; i < 3; i++) places_show(places, i, PLACE_READY);
    places_name(places, 1, name);
    static const char *const ends[] = {"AD", "__", "A ", "\xff\xff", "A"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(id, sizeof id, "%.4s%s", name, ends[i]);
        assert_int_equal(places_inbox_of(places, 0, slice_of(id)), -1);
    }
    assert_int_equal(places_inbox_of(places, 0, SLICE("")), -1);
    places_name(others, 1, id);
    assert_string_not_equal(id, name);
    assert_int_equal(places_inbox_of(places, 0, slice_of(id)), -1);
    assert_true(places_inbox_of(places, 0, slice_of(name)) >= 0);
    places_free(&places);
    places_free(&others);
}

/* Two of a thousand servers with one name: once in 30 starts of them all. */
static void four_random_characters_tell_servers_apart(void **state) {
    bool differs[PLACE_NAME_LEN] = {false};
    char first[PLACE_NAME_LEN + 1], name[PLACE_NAME_LEN + 1];
    for (int server = 0; server < 50; server++) {
        struct places *places = open_places(1, "127.0.0.1:0");
        places_name(places, 0, server ? name : first);
        for (int i = 0; server && i < PLACE_NAME_LEN; i++) differs[i] |= name[i] != first[i];
        places_free(&places);
    }
    for (int i = 0; i < PLACE_NAME_LEN; i++) assert_int_equal(differs[i], i < 4);
}

static void an_owner_that_does_not_run_has_no_sessions(void **state) {
    struct places *places = open_places(2, "127.0.0.1:0");
    assert_int_equal(inbox_of(places, 0, 1), -1);
    places_show(places, 1, PLACE_STARTING);
    assert_int_equal(inbox_of(places, 0, 1), -1);
    static const enum place_state runs[] = {PLACE_READY, PLACE_FAILING, PLACE_DRAINING};
    for (size_t i = 0; i < 3; i++) {
        places_show(places, 1, runs[i]);
        assert_true(inbox_of(places, 0, 1) >= 0);
    }
    places_free(&places);
}

static void states_are_seen_across_processes(void **state) {
    struct places *places = open_places(2, "127.0.0.1:0");
    if (fork() == 0) {
        places_show(places, 1, PLACE_FAILING);
        _exit(0);
    }
    assert_true(wait(NULL) > 0);
    assert_int_equal(places_count(places, PLACE_FAILING), 1);
    assert_int_equal(places_count(places, PLACE_EMPTY), 1);
    places_free(&places);
}

static void all_listen_for_metrics_too_where_that_is_wanted(void **state) {
    struct error error;
    const char *address = "127.0.0.1:0";
    char clients[LISTEN_ADDRESS_MAX], first[LISTEN_ADDRESS_MAX], other[LISTEN_ADDRESS_MAX];
    struct places *places = open_places(2, address);
    places_metrics_addresses(places, other, sizeof other);
    assert_string_equal(other, "");
    assert_int_equal(places_metrics_fd(places, 0, 0), -1);
    assert_true(places_listen_for_metrics(places, &address, 1, 16, &error));
    places_metrics_addresses(places, first, sizeof first);
    places_addresses(places, clients, sizeof clients);
    assert_string_not_equal(first, clients);
    for (unsigned i = 0; i < 2; i++) {
        listen_address(places_metrics_fd(places, i, 0), other);
        assert_string_equal(first, other);
    }
    const char *taken = first;
    assert_null(places_new(1, &taken, 1, 16, &error));
    places_close_listening(places);
    assert_int_equal(places_metrics_fd(places, 0, 0), -1);
    places_free(&places);
}

static void all_listen_on_one_port_and_nobody_else_may(void **state) {
    struct error error;
    char first[LISTEN_ADDRESS_MAX], other[LISTEN_ADDRESS_MAX];
    struct places *places = open_places(3, "127.0.0.1:0");
    listen_address(places_listen_fd(places, 0, 0), first);
    for (unsigned i = 1; i < 3; i++) {
        listen_address(places_listen_fd(places, i, 0), other);
        assert_string_equal(first, other);
        assert_int_equal(places_listen_fd(places, i, 1), -1);
    }
    const char *taken = first;
    assert_null(places_new(3, &taken, 1, 16, &error));
    assert_non_null(strstr(error.text, "Address already in use"));
    assert_null(places_new(1, &taken, 1, 16, &error));
    places_close_listening(places);
    struct places *next = open_places(3, first);
    places_free(&next);
    places_free(&places);
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
    struct places *places = places_new(2, addresses, 3, 16, &error);
    if (!places) fail_msg("%s", error.text);
    unsigned len = 0;
    for (int fd; (fd = places_listen_fd(places, 1, len)) >= 0; len++) assert_int_equal(connect_to(fd), 0);
    assert_in_range(len, 3, 4); /* a machine without IPv6 has one less */
    places_addresses(places, all, sizeof all);
    assert_non_null(strstr(all, ",unix:/tmp/stoa-listen-"));
    snprintf(text, sizeof text, "%s/http.sock", folder);
    assert_int_equal(stat(text, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0620);
    if (len == 4) { /* IPv6 alone: two sockets, one port */
        char four[LISTEN_ADDRESS_MAX], six[LISTEN_ADDRESS_MAX];
        listen_address(places_listen_fd(places, 0, 1), four);
        listen_address(places_listen_fd(places, 0, 2), six);
        assert_string_equal(strrchr(four, ':'), strrchr(six, ':'));
    }
    places_remove_names(places);
    places_free(&places);
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
    assert_null(places_new(1, &stranger, 1, 16, &error));
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
    struct places *places = open_places(1, text);
    assert_null(places_new(1, &address, 1, 16, &error));
    assert_non_null(strstr(error.text, "another server listens there"));
    assert_int_equal(connect_to(places_listen_fd(places, 0, 0)), 0);
    places_remove_names(places);
    places_free(&places);

    int logger = bind_to(path, SOCK_DGRAM); /* another program, with which we cannot speak */
    assert_null(places_new(1, &address, 1, 16, &error));
    assert_int_equal(stat(path, &file), 0);
    close(logger);
    unlink(path);
    FILE *somebodys = fopen(path, "w");
    fclose(somebodys);
    assert_null(places_new(1, &address, 1, 16, &error));
    assert_int_equal(stat(path, &file), 0);
    unlink(path);
    rmdir(folder);
}

static void auto_is_a_worker_a_processor_and_enough_for_the_connections(void **state) {
    struct config config = {.limits.connections = 50000};
    assert_int_equal(settings_of_workers(&config, 2, 19744), 3);
    assert_int_equal(settings_of_workers(&config, 8, 19744), 8);
    assert_int_equal(settings_of_workers(&config, 2, 50000), 2);
    assert_int_equal(settings_of_workers(&config, 2, 1), PLACES_MAX);
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
