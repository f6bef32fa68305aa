/* SPDX-License-Identifier: Apache-2.0 */
/* polling_rig.h - a hub behind a net_server on loopback, and raw HTTP clients that poll or upgrade, in one thread:
 * their calls turn the server's loop until their condition holds (or five seconds have passed). */
#ifndef TESTS_POLLING_RIG_H
#define TESTS_POLLING_RIG_H

#include "support/hub_scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit/admission.h"
#include "net/server.h"

enum { DEADLINE_US = 5000000 };

/* The server's side. */

extern struct admission_control *admission;
extern struct hub_settings settings;
extern const char *polling_path; /* the path of requests; serve_polling does not change it */

/* For cmocka. */
int serve_polling(void **state);
int stop_polling(void **state);

/* The client's side. */

struct answer {
    int status;
    char head[2048], body[2048];
};

int polling_ask(const char *method, const char *query, const char *headers, const char *body);

/* Reads until done returns true, or the end of the stream; false: timed out. */
bool read_until(int fd, struct buffer *in, bool (*done)(const struct buffer *in));

struct answer answer_of(int fd);

struct answer polling_fetch(const char *method, const char *query, const char *body);

void assert_answer(struct answer answer, int status, const char *body);

/* The id of the session opened by open_session, and the query of its requests. */
extern char sid[64], polling[160];

void open_session(void);

int open_websocket(const char *query);

/* A small text frame, masked with zeros. */
void send_frame(int fd, const char *text);

bool frame_whole(const struct buffer *in);

/* in: bytes read after the head or earlier frames. */
void assert_frame(int fd, struct buffer *in, const char *text);

int upgraded(const char *query, struct buffer *in);

void assert_closes(int fd, struct buffer *in);

/* Sends a GET of the session and returns once the server holds it unanswered. */
int waiting_poll(void);

/* Turns the loop until the condition holds; fails the test after the deadline. */
#define POLLING_UNTIL(condition)                                                                   \
    do {                                                                                           \
        for (uint64_t polling_end_us = loop_clock_us(loop) + DEADLINE_US; !(condition);) {         \
            loop_turn(loop);                                                                       \
            if (loop_clock_us(loop) > polling_end_us) fail_msg("never came true: %s", #condition); \
        }                                                                                          \
    } while (0)

#endif
