/* SPDX-License-Identifier: Apache-2.0 */
/* TLS: what is refused, what is carried, and certificates that change. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net_internal.h"
#include "net/tickets.h"
#include "net/tls.h"
#include "net/websocket.h"
#include "support/net_tls.h"

static struct rig_tls tls;

static int make_certificate(void **state) {
    rig_tls_init(&tls, "first.test");
    return 0;
}

static int remove_certificate(void **state) {
    rig_tls_done(&tls);
    return 0;
}

static int handshake(struct rig *rig, int version, const char *ciphers) {
    struct raw client;
    int result = 0;
    raw_prepare_tls(&client, rig, version, ciphers);
    RIG_UNTIL(rig, (result = raw_handshake(&client)) != 0);
    raw_close(&client);
    return result;
}

static void only_current_versions_and_ciphers_are_spoken(void **state) {
    struct rig rig;
    rig_start(&rig, &tls.settings);
    assert_int_equal(handshake(&rig, TLS1_3_VERSION, NULL), 1);
    assert_int_equal(handshake(&rig, TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256"), 1);
    int64_t rejected = metric_get(METRIC_REJECTED, NULL);
    assert_int_equal(handshake(&rig, TLS1_VERSION, NULL), -1);
    assert_int_equal(handshake(&rig, TLS1_1_VERSION, NULL), -1);
    assert_int_equal(handshake(&rig, TLS1_2_VERSION, "AES128-GCM-SHA256"), -1);
    assert_int_equal(handshake(&rig, TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA"), -1);
    RIG_UNTIL(&rig, metric_get(METRIC_REJECTED, NULL) == rejected + 4);
    rig_stop(&rig);
}

static void renegotiation_is_refused(void **state) {
    struct rig rig;
    struct raw mallory, bob;
    int result = 0;
    rig_start(&rig, &tls.settings);
    raw_prepare_tls(&mallory, &rig, TLS1_2_VERSION, NULL);
    RIG_UNTIL(&rig, (result = raw_handshake(&mallory)) != 0);
    assert_int_equal(result, 1);
    SSL_renegotiate(mallory.ssl);
    result = 0;
    RIG_UNTIL(&rig, (result = SSL_do_handshake(mallory.ssl)) == 1 ||
                        SSL_get_error(mallory.ssl, result) == SSL_ERROR_SSL ||
                        SSL_get_error(mallory.ssl, result) == SSL_ERROR_SYSCALL);
    assert_int_not_equal(result, 1);
    raw_connect_tls(&bob, &rig);
    assert_int_equal(raw_ask(&bob, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    raw_close(&mallory);
    raw_close(&bob);
    rig_stop(&rig);
}

static void a_handshake_that_does_not_end_is_closed_at_its_deadline(void **state) {
    struct rig rig;
    struct raw silent, half, plain;
    rig_start(&rig, &tls.settings);
    int64_t start = rig_now_ms(), rejected = metric_get(METRIC_REJECTED, NULL);
    raw_connect(&silent, &rig);
    raw_connect(&half, &rig);
    raw_send(&half, "\x16\x03\x01\x02\x00\x01\x00", 7);
    raw_connect(&plain, &rig);
    raw_send_str(&plain, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    RAW_UNTIL(&plain, plain.eof);
    assert_int_equal(raw_status(&plain), 400);
    assert_true(rig_now_ms() - start < 900);
    RAW_UNTIL(&silent, silent.eof);
    RAW_UNTIL(&half, half.eof);
    assert_in_range(rig_now_ms() - start, 900, 3000);
    assert_int_equal(rig.requests, 0);
    RIG_UNTIL(&rig, metric_get(METRIC_REJECTED, NULL) == rejected + 3);
    raw_close(&silent);
    raw_close(&half);
    raw_close(&plain);
    rig_stop(&rig);
}

/* NULL, or a session to resume; the one that the server offers is the caller's. */
static SSL_SESSION *visit(struct rig *rig, SSL_SESSION *session, bool *resumed_r) {
    struct raw alice;
    int result = 0;
    raw_prepare_tls(&alice, rig, TLS1_2_VERSION, NULL);
    if (session) SSL_set_session(alice.ssl, session);
    RIG_UNTIL(rig, (result = raw_handshake(&alice)) != 0);
    assert_int_equal(result, 1);
    *resumed_r = SSL_session_reused(alice.ssl);
    assert_int_equal(raw_ask(&alice, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    SSL_SESSION *offered = SSL_get1_session(alice.ssl);
    SSL_set_shutdown(alice.ssl, SSL_SENT_SHUTDOWN); /* a session that ends by an accident is not resumed */
    raw_close(&alice);
    return offered;
}

static void a_session_is_resumed_by_its_ticket_also_after_a_reload(void **state) {
    struct rig rig;
    struct error error = {""};
    bool resumed;
    rig_start(&rig, &tls.settings);
    SSL_SESSION *session = visit(&rig, NULL, &resumed), *again;
    assert_false(resumed);
    assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(session), TICKET_KEY_S);
    again = visit(&rig, session, &resumed);
    assert_true(resumed);
    SSL_SESSION_free(again);
    assert_true(rig_reload(&rig, &tls.settings, &error));
    again = visit(&rig, session, &resumed);
    assert_true(resumed);
    SSL_SESSION_free(again);
    SSL_SESSION_free(session);
    rig_stop(&rig);
}

static void browsers_are_told_to_stay_with_tls_over_tls_alone(void **state) {
    struct rig rig;
    struct raw alice;
    struct net_settings settings = tls.settings;
    for (int row = 0; row < 3; row++) { /* told; not wanted; not over TLS */
        settings.hsts_s = row == 1 ? 0 : 31536000;
        if (row == 2) settings.tls_certificate = NULL;
        rig_start(&rig, &settings);
        row == 2 ? raw_connect(&alice, &rig) : raw_connect_tls(&alice, &rig);
        assert_int_equal(raw_ask(&alice, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
        bool told = strstr(alice.in.ptr, "\r\nstrict-transport-security: max-age=31536000\r\n");
        assert_int_equal(told, row == 0);
        raw_close(&alice);
        rig_stop(&rig);
    }
}

static void a_client_not_admitted_costs_no_handshake(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &tls.settings);
    rig.admission = ADMIT_REFUSE;
    raw_connect(&alice, &rig);
    RAW_UNTIL(&alice, alice.eof);
    assert_int_equal(alice.in.len, 0);
    raw_close(&alice);
    rig_stop(&rig);
}

static void requests_keep_their_connection(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &tls.settings);
    raw_connect_tls(&alice, &rig);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(raw_ask(&alice, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345"), 200);
        assert_non_null(strstr(alice.in.ptr, "\r\n\r\n12345"));
        buffer_clear(&alice.in);
        raw_send_str(&alice, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
        RIG_UNTIL(&rig, rig.waiting);
        http_reply(&rig.waiting, &(struct http_reply){.status = 200, .body = SLICE("late")});
        RAW_UNTIL(&alice, raw_answered(&alice));
        assert_non_null(strstr(alice.in.ptr, "\r\n\r\nlate"));
    }
    raw_send_str(&alice, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&rig, rig.waiting);
    raw_close(&alice);
    RIG_UNTIL(&rig, rig.aborted == 1);
    rig_stop(&rig);
}

/* Each piece is a record of its own. */
static void send_in_records(struct raw *client, const char *text) {
    buffer_clear(&client->in);
    for (size_t at = 0, len = strlen(text); at < len; at += 7) {
        raw_send(client, text + at, len - at < 7 ? len - at : 7);
        for (int i = 0; i < 3; i++) loop_turn(client->rig->loop);
    }
}

static void a_head_may_come_in_many_records(void **state) {
    static const struct {
        const char *request, *answer;
        int status;
    } rows[] = {
        {"GET /query?a=x%26y&b=%2B HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n", "\r\n\r\na=x%26y&b=%2B", 200},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world", "\r\n\r\nhello world", 200},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "content-length: 0\r\n", 200},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n", "connection: close", 413},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "\r\n\r\nhello",
         200},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
         "connection: close", 400},
        {"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
         "sec-websocket-version: 13", 426},
    };
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &tls.settings);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        raw_connect_tls(&alice, &rig);
        send_in_records(&alice, rows[i].request);
        RAW_UNTIL(&alice, raw_answered(&alice));
        if (raw_status(&alice) != rows[i].status) fail_msg("row %zu: %d", i, raw_status(&alice));
        if (!strstr(alice.in.ptr, rows[i].answer)) fail_msg("row %zu: %s", i, alice.in.ptr);
        if (rows[i].status == 200) {
            assert_int_equal(raw_ask(&alice, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
        } else {
            raw_send_str(&alice, "GET /hello HTTP/1.1\r\nHost: smuggled\r\n\r\n");
            RAW_UNTIL(&alice, alice.eof);
        }
        raw_close(&alice);
    }
    assert_int_equal(rig.requests, 8);
    raw_connect_tls(&alice, &rig);
    send_in_records(&alice, UPGRADE_HEAD "\r\n");
    RAW_UNTIL(&alice, raw_answered(&alice));
    assert_int_equal(raw_status(&alice), 101);
    assert_int_equal(rig.opened, 1);
    raw_close(&alice);
    rig_stop(&rig);
}

enum { BACKLOG_FRAMES = 600, BACKLOG_BYTES = 40000 };

/* Numbered frames, as many as the socket takes. */
static void write_backlog(struct rig *rig, unsigned *next) {
    static char payload[BACKLOG_BYTES];
    while (*next < BACKLOG_FRAMES && rig->conn && !websocket_blocked(rig->conn)) {
        struct buffer frame = {0};
        memcpy(payload, next, sizeof *next);
        websocket_writer_write(&frame, FRAME_BINARY, false, (struct slice){payload, sizeof payload});
        websocket_write(rig->conn, buffer_slice(&frame));
        (*next)++;
        buffer_done(&frame);
    }
}

static void a_slow_reader_gets_every_byte_in_order_with_its_pongs(void **state) {
    struct rig rig;
    struct raw alice;
    unsigned written = 0, read = 0, pongs = 0, seen;
    rig_start(&rig, &tls.settings);
    raw_connect_tls(&alice, &rig);
    raw_upgrade(&alice, "");
    while (read < BACKLOG_FRAMES) {
        write_backlog(&rig, &written);
        if (read % 50 == 0) raw_frame(&alice, 0x89, true, SLICE("ping"));
        struct raw_frame frame = raw_next_frame(&alice);
        assert_true(frame.len > 0);
        if (frame.first == 0x8a) {
            pongs++;
        } else {
            assert_int_equal(frame.first, 0x82);
            assert_int_equal(frame.payload.len, BACKLOG_BYTES);
            memcpy(&seen, frame.payload.ptr, sizeof seen);
            assert_int_equal(seen, read++);
        }
        raw_next(&alice, &frame);
    }
    assert_true(pongs > 0);
    websocket_close(rig.conn, 1012, SLICE("restart"));
    assert_int_equal(raw_close_code(&alice), 1012);
    raw_close(&alice);
    rig_stop(&rig);
}

static void messages_of_all_sizes_arrive_whole(void **state) {
    struct rig rig;
    struct raw alice;
    static char big[90000];
    rig_start(&rig, &tls.settings);
    raw_connect_tls(&alice, &rig);
    raw_upgrade(&alice, "");
    for (size_t len = 1; len <= sizeof big; len = len * 3 + 1) {
        raw_frame(&alice, 0x82, true, (struct slice){big, len});
        struct raw_frame frame = raw_next_frame(&alice);
        assert_int_equal(frame.payload.len, len);
        raw_next(&alice, &frame);
    }
    raw_close(&alice);
    rig_stop(&rig);
}

static bool shows(struct raw *client, const char *name) {
    char text[64] = "";
    X509 *certificate = SSL_get1_peer_certificate(client->ssl);
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, sizeof text);
    X509_free(certificate);
    return strcmp(text, name) == 0;
}

static void a_reload_shows_the_new_certificate_to_new_connections(void **state) {
    struct rig rig;
    struct raw alice, bob, carol;
    struct error error = {""};
    rig_start(&rig, &tls.settings);
    raw_connect_tls(&alice, &rig);
    assert_true(shows(&alice, "first.test"));
    raw_upgrade(&alice, "");
    struct conn *alices = rig.conn;

    rig_certify(&tls, "second.test");
    assert_true(rig_reload(&rig, &tls.settings, &error));
    raw_connect_tls(&bob, &rig);
    assert_true(shows(&bob, "second.test"));

    FILE *file = fopen(tls.certificate, "w");
    fputs("no certificate", file);
    fclose(file);
    assert_false(rig_reload(&rig, &tls.settings, &error));
    assert_non_null(strstr(error.text, "certificate.pem"));
    raw_connect_tls(&carol, &rig);
    assert_true(shows(&carol, "second.test"));
    assert_int_equal(raw_ask(&carol, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);

    rig.conn = alices;
    raw_frame(&alice, 0x81, true, SLICE("still here"));
    struct raw_frame frame = raw_next_frame(&alice);
    assert_true(slice_is(frame.payload, "still here"));
    raw_close(&alice);
    raw_close(&bob);
    raw_close(&carol);
    rig_stop(&rig);
}

static void finish(struct raw *client) {
    int result = 0;
    RIG_UNTIL(client->rig, (result = raw_handshake(client)) != 0);
    assert_int_equal(result, 1);
}

/* RFC 6066, section 3. */
static void a_client_gets_the_certificate_of_the_name_that_it_asks_for(void **state) {
    static const char *const rows[][2] = {{"second.test", "second.test"},
                                          {"third.test", "third.test"},
                                          {"first.test", "first.test"},
                                          {"a.stranger.test", "first.test"},
                                          {NULL, "first.test"}};
    char second[64], third[64];
    struct rig rig;
    struct net_settings settings = tls.settings;
    const char *more[] = {second, third};
    rig_certify(&tls, "first.test");
    snprintf(second, sizeof second, "%s/second.pem", tls.folder);
    snprintf(third, sizeof third, "%s/third.pem", tls.folder);
    rig_certify_as("second.test", second, NULL);
    rig_certify_as("third.test", third, NULL);
    settings.tls_certificates = more;
    settings.tls_certificates_len = 2;
    rig_start(&rig, &settings);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct raw alice;
        raw_prepare_tls(&alice, &rig, 0, NULL);
        if (rows[i][0]) SSL_set_tlsext_host_name(alice.ssl, rows[i][0]);
        finish(&alice);
        if (!shows(&alice, rows[i][1])) fail_msg("%s", rows[i][0]);
        raw_close(&alice);
    }
    rig_stop(&rig);
    unlink(second);
    unlink(third);
}

static char shown[64];

static void tell_certificate(void *owner, struct http_request *request) {
    struct buffer subject = {0};
    bool has = http_client_certificate(request, &subject);
    snprintf(shown, sizeof shown, "%.*s", SLICE_ARG(buffer_slice(&subject)));
    buffer_done(&subject);
    http_reply(&request->exchange, &(struct http_reply){.status = has ? 200 : 204});
}

static int show(struct rig *rig, const char *file) {
    struct raw client;
    int result = 0;
    raw_prepare_tls(&client, rig, TLS1_2_VERSION, NULL);
    if (file) {
        assert_int_equal(SSL_use_certificate_file(client.ssl, file, SSL_FILETYPE_PEM), 1);
        assert_int_equal(SSL_use_PrivateKey_file(client.ssl, file, SSL_FILETYPE_PEM), 1);
    }
    RIG_UNTIL(rig, (result = raw_handshake(&client)) != 0);
    int status = result == 1 ? raw_ask(&client, "GET /who HTTP/1.1\r\nHost: a\r\n\r\n") : 0;
    raw_close(&client);
    return status;
}

static void a_client_certificate_is_optional_but_must_be_trusted(void **state) {
    char known[64], unknown[64];
    struct rig rig;
    struct net_settings settings = tls.settings;
    snprintf(known, sizeof known, "%s/known.pem", tls.folder);
    snprintf(unknown, sizeof unknown, "%s/unknown.pem", tls.folder);
    rig_certify_as("eu-west", known, NULL);
    rig_certify_as("mallory", unknown, NULL);
    settings.tls_client_ca = known;
    rig_start(&rig, &settings);
    rig.serve = tell_certificate;
    assert_int_equal(show(&rig, known), 200);
    assert_string_equal(shown, "CN=eu-west");
    assert_int_equal(show(&rig, NULL), 204);
    assert_int_equal(show(&rig, unknown), 0);
    rig_stop(&rig);
    unlink(known);
    unlink(unknown);
}

/* All that a connection is told and asked is the same under each of the names. */
static void every_certificate_comes_with_the_same_rules(void **state) {
    char known[64], second[64];
    const char *more[] = {second};
    struct rig rig;
    struct net_settings settings = tls.settings;
    snprintf(known, sizeof known, "%s/known.pem", tls.folder);
    snprintf(second, sizeof second, "%s/second.pem", tls.folder);
    rig_certify_as("eu-west", known, NULL);
    rig_certify_as("second.test", second, NULL);
    settings.tls_client_ca = known;
    settings.tls_certificates = more;
    settings.tls_certificates_len = 1;
    rig_start(&rig, &settings);
    rig.serve = tell_certificate;
    SSL_SESSION *session = NULL;
    for (int i = 0; i < 3; i++) { /* the last two with what a first hello did not have, and then resumed */
        struct raw client;
        const unsigned char *protocol;
        unsigned len;
        raw_prepare_tls(&client, &rig, 0, NULL);
        SSL_set_tlsext_host_name(client.ssl, "second.test");
        SSL_set_alpn_protos(client.ssl, (const unsigned char *)"\x08http/1.1", 9);
        if (i > 0) assert_int_equal(SSL_set1_groups_list(client.ssl, "brainpoolP256r1:P-256"), 1);
        assert_int_equal(SSL_use_certificate_file(client.ssl, known, SSL_FILETYPE_PEM), 1);
        assert_int_equal(SSL_use_PrivateKey_file(client.ssl, known, SSL_FILETYPE_PEM), 1);
        if (session) SSL_set_session(client.ssl, session);
        finish(&client);
        assert_true(shows(&client, "second.test"));
        SSL_get0_alpn_selected(client.ssl, &protocol, &len);
        assert_int_equal(len, 8);
        assert_int_equal(raw_ask(&client, "GET /who HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
        assert_string_equal(shown, "CN=eu-west");
        assert_int_equal(SSL_session_reused(client.ssl), session != NULL);
        if (session) SSL_SESSION_free(session);
        session = i > 0 ? SSL_get1_session(client.ssl) : NULL;
        SSL_set_shutdown(client.ssl, SSL_SENT_SHUTDOWN);
        raw_close(&client);
    }
    SSL_SESSION_free(session);
    rig_stop(&rig);
    unlink(known);
    unlink(second);
}

/* An old ticket does not bypass it. */
static void resumed_sessions_follow_the_rules_after_a_reload(void **state) {
    char known[64];
    struct rig rig;
    struct error error = {""};
    bool resumed;
    struct net_settings settings = tls.settings;
    snprintf(known, sizeof known, "%s/known.pem", tls.folder);
    rig_certify_as("eu-west", known, NULL);
    rig_start(&rig, &settings);
    SSL_SESSION *session = visit(&rig, NULL, &resumed);
    settings.tls_client_ca = known;
    for (int i = 0; i < 2; i++) { /* first none were asked for, then other ones */
        assert_true(rig_reload(&rig, &settings, &error));
        SSL_SESSION *next = visit(&rig, session, &resumed);
        assert_false(resumed);
        SSL_SESSION_free(session);
        session = next;
        rig_certify_as("eu-west", known, NULL);
    }
    assert_true(rig_reload(&rig, &settings, &error));
    SSL_SESSION_free(visit(&rig, session, &resumed));
    assert_false(resumed);
    SSL_SESSION_free(session);
    rig_stop(&rig);
    unlink(known);
}

/* Their handshakes take many times HANDSHAKE_SLICE_US. */
static void many_handshakes_at_once_do_not_delay_connected_clients(void **state) {
    enum { CROWD = 60 };
    struct rig rig;
    struct raw alice, crowd[CROWD];
    unsigned done = 0;
    rig_start(&rig, &tls.settings);
    raw_connect_tls(&alice, &rig);
    raw_upgrade(&alice, "");
    for (int i = 0; i < CROWD; i++) {
        raw_prepare_tls(&crowd[i], &rig, 0, NULL);
        assert_int_equal(raw_handshake(&crowd[i]), 0); /* its hello is sent */
    }
    while (rig.server && loop_turn(rig.loop) && net_server_connections(rig.server) < CROWD + 1) continue;
    raw_frame(&alice, 0x81, true, SLICE("me too"));
    expect_echo(&alice, 0x81, SLICE("me too"));
    for (int i = 0; i < CROWD; i++) done += raw_handshake(&crowd[i]) == 1;
    assert_in_range(done, 0, CROWD / 2);
    for (int i = 0; i < CROWD; i++) {
        finish(&crowd[i]);
        raw_close(&crowd[i]);
    }
    raw_close(&alice);
    rig_stop(&rig);
}

/* Each would hold the memory that OpenSSL needs for a handshake. */
static void the_number_of_unfinished_handshakes_is_bounded(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &tls.settings);
    struct net_server *server = rig.server;
    raw_connect_tls(&alice, &rig);
    raw_upgrade(&alice, "");
    assert_int_equal(server->shaking, 0);
    server->shaking = HANDSHAKES_MAX; /* as if so many others were unfinished */
    struct raw late;
    raw_connect(&late, &rig);
    RAW_UNTIL(&late, late.eof);
    raw_close(&late);
    raw_frame(&alice, 0x81, true, SLICE("still here"));
    expect_echo(&alice, 0x81, SLICE("still here"));
    server->shaking = 0;
    struct raw bob;
    raw_connect(&bob, &rig);
    RIG_UNTIL(&rig, server->shaking == 1);
    raw_close(&bob);
    RIG_UNTIL(&rig, server->shaking == 0);
    raw_close(&alice);
    rig_stop(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_current_versions_and_ciphers_are_spoken),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(a_handshake_that_does_not_end_is_closed_at_its_deadline),
        cmocka_unit_test(a_session_is_resumed_by_its_ticket_also_after_a_reload),
        cmocka_unit_test(browsers_are_told_to_stay_with_tls_over_tls_alone),
        cmocka_unit_test(a_client_not_admitted_costs_no_handshake),
        cmocka_unit_test(requests_keep_their_connection),
        cmocka_unit_test(a_head_may_come_in_many_records),
        cmocka_unit_test(a_slow_reader_gets_every_byte_in_order_with_its_pongs),
        cmocka_unit_test(messages_of_all_sizes_arrive_whole),
        cmocka_unit_test(a_reload_shows_the_new_certificate_to_new_connections),
        cmocka_unit_test(a_client_gets_the_certificate_of_the_name_that_it_asks_for),
        cmocka_unit_test(a_client_certificate_is_optional_but_must_be_trusted),
        cmocka_unit_test(every_certificate_comes_with_the_same_rules),
        cmocka_unit_test(resumed_sessions_follow_the_rules_after_a_reload),
        cmocka_unit_test(the_number_of_unfinished_handshakes_is_bounded),
        cmocka_unit_test(many_handshakes_at_once_do_not_delay_connected_clients),
    };
    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
