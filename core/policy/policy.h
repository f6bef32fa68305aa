/* SPDX-License-Identifier: Apache-2.0 */
/* policy.h - what the core asks of scripts, in bytes: it knows no Lua.
 *
 * A question may be answered at once or turns later (a script that waits); it is answered exactly once, unless the
 * asker forgets it. Values cross as JSON; binary ones as attachments, where the JSON holds
 * {"_placeholder":true,"num":i}.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/slice.h"

struct policy;

enum policy_point {
    POLICY_AUTHENTICATE, /* json: the handshake → OK: json {"id": …, …} of the user; REFUSED */
    POLICY_CONNECT,      /* socket_id → OK or REFUSED; the socket exists, its client has not been answered yet */
    POLICY_DISCONNECT,   /* socket_id, name: the reason; the socket is about to go */
    POLICY_EVENT,        /* socket_id, name: the event, json: [event, arg…] → OK: json = array of ack arguments */
    POLICY_OPEN, /* a client of an endpoint of scripts has come: socket_id = its session's id, name = path, json: what
                    its request said → OK or REFUSED */
    POLICY_MESSAGE,    /* it says something, in data */
    POLICY_CLOSED,     /* it has gone; json: [code, reason] */
    POLICY_ROUTE_HEAD, /* name: "METHOD path", json: {method, path, query, headers, address} → OK: the body may come,
                          json is what ROUTE gets as passed; REFUSED: json {status, headers?, body?}, or none */
    POLICY_ROUTE,      /* the same and passed, data: the body → json {status, headers?, body?} */
    POLICY_SERVER_EVENT, /* json: [event, arg…] of another server → OK: json = one value */
    POLICY_ALERT         /* name: what, json: details */
};

enum policy_status {
    POLICY_OK,
    POLICY_REFUSED,      /* json: {"message": …, "data": …?} */
    POLICY_NO_HANDLER,   /* nobody registered for it */
    POLICY_SCRIPT_ERROR, /* raised, ran over its budget, or returned what cannot be sent; logged by the policy */
    POLICY_TOO_LARGE,    /* what was asked would take more memory than one call may; nobody was asked */
    POLICY_UNAVAILABLE,  /* too many tasks wait already; or the scripts went before they answered, with nothing to be
                            stored under way */
    POLICY_UNKNOWN       /* the scripts went while something was to be stored: it may have been */
};

struct policy_answer {
    enum policy_status status;
    struct slice json;
    const struct slice *attachments;
    unsigned attachments_len;
};

/* Embedded in the asker; slices need to live only until policy_ask returns. */
struct policy_call {
    enum policy_point point;
    struct slice namespace_name, socket_id, name, json, data;
    const struct slice *attachments;
    unsigned attachments_len;
    bool binary;       /* MESSAGE: data is binary */
    bool wants_answer; /* EVENT: the client asked for an acknowledgement */
    /* May run within policy_ask. The answer's bytes live until it returns. */
    void (*done)(struct policy_call *call, const struct policy_answer *answer);
    void *task; /* the policy's; NULL before and after */
};

struct policy_ops {
    void (*ask)(struct policy *policy, struct policy_call *call);
    void (*forget)(struct policy_call *call);
    /* Is anything registered? Lets the core skip what nobody asked for. True while nobody knows: the question is then
     * answered UNAVAILABLE. */
    bool (*handles)(struct policy *policy, enum policy_point point, struct slice namespace_name, struct slice name);
    /* Are there scripts to ask? They may have gone, and not be back yet. */
    bool (*ready)(const struct policy *policy);
    /* Another one is in force. No new questions; freed when the tasks under way have ended, at the latest after
     * deadline_ms. */
    void (*retire)(struct policy *policy, unsigned deadline_ms);
    /* Freed within the call, with those that it replaced: who has asked hears UNAVAILABLE, what the scripts waited for
     * completes to nobody. Not within a question. */
    void (*end)(struct policy *policy);
};
/* Embedded first in the implementation. */
struct policy {
    const struct policy_ops *ops;
    unsigned generation;
};

static inline void policy_ask(struct policy *policy, struct policy_call *call) {
    policy->ops->ask(policy, call);
}
/* The asker goes away: done will not be called. Harmless when nothing is under way. */
static inline void policy_forget(struct policy *policy, struct policy_call *call) {
    if (call->task) policy->ops->forget(call);
}

#endif
