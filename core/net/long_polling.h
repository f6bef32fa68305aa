/* SPDX-License-Identifier: Apache-2.0 */
/* long_polling.h - Engine.IO long-polling for one session: GETs wait for payloads, POSTs bring them.
 *
 * It knows HTTP exchanges and Engine.IO packets, not their meaning. One GET and one POST at a time.
 */
#ifndef NET_LONG_POLLING_H
#define NET_LONG_POLLING_H

#include "net/http.h"
#include "wire/engineio.h"

struct buffer;
struct long_polling;

enum long_polling_fault {
    LONG_POLLING_ABORTED,  /* the client disconnected during an exchange */
    LONG_POLLING_MISUSED,  /* overlapping requests, or a binary body */
    LONG_POLLING_BAD_BODY, /* a malformed payload */
};

/* Not called from within long_polling_write, long_polling_pause, long_polling_free. */
struct long_polling_events {
    void (*packet)(void *owner, const struct engineio_packet *packet);
    /* A GET waits: long_polling_write may answer it. */
    void (*waiting)(void *owner);
    void (*broken)(void *owner, enum long_polling_fault fault);
};

struct long_polling *long_polling_new(const struct long_polling_events *events, void *owner);
/* A waiting GET is answered as for an unknown session, a POST with ok. */
void long_polling_free(struct long_polling **polling);
/* headers: added to the answer ("name: value\r\n…"). */
void long_polling_request(struct long_polling *polling, struct http_request *request, struct slice headers);
bool long_polling_waiting(const struct long_polling *polling);
/* Answers the waiting GET. */
void long_polling_write(struct long_polling *polling, struct slice payload);
/* While paused, a POST gets no answer, so that the client sends no other; it is answered when reading resumes. */
void long_polling_pause(struct long_polling *polling, bool paused);
/* Discards the remaining packets of the current payload. */
void long_polling_stop(struct long_polling *polling);

/* Answers a request that has no session, as the reference server does: 403 for FORBIDDEN, else 400, with
 * {"code":n,"message":…}. */
void long_polling_refuse(struct http_request *request, enum engineio_error error, struct slice headers);
/* The same for an upgrade request: only the message. */
void long_polling_refusal(enum engineio_error error, struct http_reply *reply_r);
/* No capacity for another session: 503 with Retry-After. */
void long_polling_refuse_for(struct http_request *request, unsigned retry_after_s, struct slice headers);
/* Appends the CORS headers for a request whose Origin is allowed; nothing for others, or without an Origin. */
void long_polling_cors(struct http_request *request, const char *const *origins, size_t origins_len,
                       struct buffer *out);
/* Answers an OPTIONS request. */
void long_polling_preflight(struct http_request *request, struct slice headers);

#endif
