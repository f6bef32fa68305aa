/* SPDX-License-Identifier: Apache-2.0 */
/* long_polling.h - Engine.IO long-polling for one session: its GETs wait for payloads, its POSTs bring them.
 *
 * It knows HTTP exchanges and Engine.IO packets; what they mean is the owner's. One GET and one POST at a time.
 */
#ifndef NET_LONG_POLLING_H
#define NET_LONG_POLLING_H

#include "net/http.h"
#include "wire/engineio.h"

struct buffer;
struct long_polling;

enum long_polling_fault {
    LONG_POLLING_ABORTED,  /* the client went away within an exchange */
    LONG_POLLING_MISUSED,  /* requests that overlap, a body of bytes */
    LONG_POLLING_BAD_BODY, /* a payload that is none */
};

/* Not called from within long_polling_write, long_polling_pause, long_polling_free. */
struct long_polling_events {
    void (*packet)(void *owner, const struct engineio_packet *packet);
    /* A GET waits: long_polling_write may answer it. */
    void (*waiting)(void *owner);
    void (*broken)(void *owner, enum long_polling_fault fault);
};

struct long_polling *long_polling_new(const struct long_polling_events *events, void *owner);
/* A GET that waits is answered as one of an unknown session, a POST with ok. */
void long_polling_free(struct long_polling **polling);
/* headers: for the answer ("name: value\r\n…"). */
void long_polling_request(struct long_polling *polling, struct http_request *request, struct slice headers);
bool long_polling_waiting(const struct long_polling *polling);
/* Answers the GET that waits. */
void long_polling_write(struct long_polling *polling, struct slice payload);
/* Paused: a POST is answered when reading goes on, and the client sends no other before. */
void long_polling_pause(struct long_polling *polling, bool paused);
/* Packets of the payload at hand are not wanted any more. */
void long_polling_stop(struct long_polling *polling);

/* The reference server's answer for a request that leads to no session: 403 for FORBIDDEN, else 400, with
 * {"code":n,"message":…}. */
void long_polling_refuse(struct http_request *request, enum engineio_error error, struct slice headers);
/* The same before an upgrade: the message alone. */
void long_polling_refusal(enum engineio_error error, struct http_reply *reply_r);
/* There is no room for one more session: 503, and when to come back. */
void long_polling_refuse_for(struct http_request *request, unsigned retry_after_s, struct slice headers);
/* Appends the CORS headers for a request whose Origin is allowed; nothing for others, or without an Origin. */
void long_polling_cors(struct http_request *request, const char *const *origins, size_t origins_len,
                       struct buffer *out);
/* Answers an OPTIONS request. */
void long_polling_preflight(struct http_request *request, struct slice headers);

#endif
