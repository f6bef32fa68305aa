/* SPDX-License-Identifier: Apache-2.0 */
/* policy.h - what the core asks of scripts, in bytes. This unit does not know Lua.
 *
 * A question may be answered at once or turns later (a script that waits); it is answered exactly once, unless the
 * caller forgets it. Values are JSON; binary ones are attachments, and the JSON has {"_placeholder":true,"num":i} in
 * their place.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/slice.h"

struct policy;

enum policy_point {
    POLICY_AUTHENTICATE, /* json: the handshake → OK: json {"id": …, …} of the user; REFUSED */
    POLICY_CONNECT,      /* socket_id → OK or REFUSED; the socket exists, its client has not been answered yet */
    POLICY_DISCONNECT,   /* socket_id, name: the reason; the socket is about to be freed */
    POLICY_EVENT,        /* socket_id, name: the event, json: [event, arg…] → OK: json = array of ack arguments */
    POLICY_OPEN, /* a client connects to a script's endpoint: socket_id: its session's id, name: path, json: its request
                    → OK or REFUSED */
    POLICY_MESSAGE,    /* a client's message on such an endpoint, in data */
    POLICY_CLOSED,     /* such a client has disconnected; json: [code, reason] */
    POLICY_ROUTE_HEAD, /* name: "METHOD path", json: {method, path, query, headers, address} → OK: accept the body; json
                          becomes ROUTE's passed; REFUSED: json {status, headers?, body?}, or none */
    POLICY_ROUTE,      /* as ROUTE_HEAD with passed, data: the body → json {status, headers?, body?} */
    POLICY_SERVER_EVENT, /* json: [event, arg…] of another server → OK: json = one value */
    POLICY_ALERT         /* name: what, json: details */
};

enum policy_status {
    POLICY_OK,
    POLICY_REFUSED,      /* json: {"message": …, "data": …?} */
    POLICY_NO_HANDLER,   /* no handler is registered */
    POLICY_SCRIPT_ERROR, /* the script raised, ran over its budget, or returned what cannot be sent; logged by the
                            policy */
    POLICY_TOO_LARGE,    /* the question would take more memory than one call may; it was not asked */
    POLICY_UNAVAILABLE,  /* too many tasks wait already; or the scripts ended before they answered, while no store write
                            was pending */
    POLICY_UNKNOWN       /* the scripts ended while a store write was pending: it may have happened */
};

struct policy_answer {
    enum policy_status status;
    struct slice json;
    const struct slice *attachments;
    unsigned attachments_len;
};

/* Embedded in the caller; slices need to live only until policy_ask returns. */
struct policy_call {
    enum policy_point point;
    struct slice namespace_name, socket_id, name, json, data;
    const struct slice *attachments;
    unsigned attachments_len;
    bool binary;       /* MESSAGE: data is binary */
    bool wants_answer; /* EVENT: the client asked for an acknowledgement */
    /* May run within policy_ask. The answer's bytes live until it returns. */
    void (*done)(struct policy_call *call, const struct policy_answer *answer);
    void *task; /* owned by the policy; NULL before and after */
};

struct policy_ops {
    void (*ask)(struct policy *policy, struct policy_call *call);
    void (*forget)(struct policy_call *call);
    /* Is a handler registered? Lets the core skip questions without one. True while this is unknown: the question is
     * then answered UNAVAILABLE. */
    bool (*handles)(struct policy *policy, enum policy_point point, struct slice namespace_name, struct slice name);
    /* Are scripts loaded? They may have ended and not be back yet. */
    bool (*ready)(const struct policy *policy);
    /* Another policy has replaced this one. It takes no new questions; it is freed when its pending tasks have ended,
     * at the latest after deadline_ms. */
    void (*retire)(struct policy *policy, unsigned deadline_ms);
    /* Frees this policy within the call, and those it replaced: pending questions are answered UNAVAILABLE, and
     * completions that scripts waited for are dropped. Do not call within a question. */
    void (*end)(struct policy *policy);
};
/* Must be the first member of the implementation. */
struct policy {
    const struct policy_ops *ops;
    unsigned generation;
};

static inline void policy_ask(struct policy *policy, struct policy_call *call) {
    policy->ops->ask(policy, call);
}
/* For a caller that goes away: done will not be called. Harmless when no question is pending. */
static inline void policy_forget(struct policy *policy, struct policy_call *call) {
    if (call->task) policy->ops->forget(call);
}

#endif
