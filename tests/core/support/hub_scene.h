/* SPDX-License-Identifier: Apache-2.0 */
/* hub_scene.h - a real hub and rooms with clients in the process, and a policy with predictable answers. */
#ifndef TESTS_HUB_SCENE_H
#define TESTS_HUB_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "channel/room.h"
#include "loop/loop.h"
#include "lua/testing/local_client.h"
#include "policy/policy.h"
#include "session/hub.h"
#include "session/socket.h"
#include "wire/json.h"

/* The policy. Events: "echo" answers its arguments, "slow" waits for scene_answer, "crash", "busy" and "limited" fail
 * as their names say, "held" holds, emits "live" to itself and waits; others have no handler. */
struct scene_policy {
    struct policy policy;
    bool authenticates, connects, defers_connects, disconnects, defers_disconnects, refuses_recovered;
    struct policy_call *waiting; /* the deferred call */
    unsigned asked[POLICY_ALERT + 1];
    char parted[256];    /* the reasons of all disconnects, concatenated */
    char slow_seen[256]; /* the first argument of each "slow" */
    unsigned event_us;   /* how much each event advances the clock */
    void (*on_connect)(struct socket *socket);
    void (*on_disconnect)(struct socket *socket);
};

extern struct loop *loop;
extern struct rooms *rooms;
extern struct hub *hub;
extern struct scene_policy script;

struct hub_settings scene_settings(void);
/* Takes the loop. */
void scene_begin(struct loop *on, const struct hub_settings *settings);
/* Answers the waiting call. */
void scene_answer(enum policy_status status, const char *json);
/* For cmocka: scene_settings, on a clock that loop_advance moves. */
int set_up(void **state);
int tear_down(void **state);
/* Frees the hub only; tear_down then finds none. */
void tear_down_hub(void);

/* A client and its state. */
struct person {
    struct local_client *client;
    struct buffer got;
    char sid[32], pid[32], offset[32];
};

/* Turns the loop until no work is left. */
void turn(void);
void says(struct person *person, const char *text);
/* The next message; NULL: none. */
const char *hears(struct person *person);
void assert_hears(struct person *person, const char *text);
/* Checks an event as the client sees it: remembers its offset, and leaves the offset out of the comparison. */
void assert_hears_event(struct person *person, const char *text);
/* Copies the text of a JSON member; "" if there is none. */
void take_id(const char *text, const char *key, char *out);
void arrives(struct person *person, const struct local_client_options *options);
/* Connects to the main namespace as a user. */
void comes_as(struct person *person, const char *user);
/* Comes back on a new connection; the server's answers are left for hears. */
void comes_back_as(struct person *person, const char *user, bool with_offset);
void goes(struct person *person);
bool is_closed(struct person *person, uint16_t *code);
struct socket *socket_of(struct person *person);
void emit_to(const char *room, const char *args, enum packet_class class);

#endif
