/* SPDX-License-Identifier: Apache-2.0 */
/* master_messages.h - messages between master and worker over a socket pair that preserves message boundaries.
 *
 * End of file means that the other process has ended: a worker notices at once that its master is gone.
 */
#ifndef PROCESS_MASTER_MESSAGES_H
#define PROCESS_MASTER_MESSAGES_H

#include <stdbool.h>

#include "base/memory.h"

enum master_message_kind {
    /* Sent by the worker. */
    MASTER_MESSAGE_STARTING, /* progress before it serves; number: percent; text: of what */
    MASTER_MESSAGE_READY,    /* serves from now on */
    MASTER_MESSAGE_ALIVE,    /* each second, from the loop; number: connections */
    MASTER_MESSAGE_PREPARED, /* number: the generation that can be enacted */
    MASTER_MESSAGE_REFUSED,  /* number: the generation that failed; text: why */
    MASTER_MESSAGE_ENACTED,  /* number: the generation now in force */
    /* Sent by the master. */
    MASTER_MESSAGE_PREPARE, /* prepare this generation without using it; number: the generation; text: the fingerprint
                               of its configuration */
    MASTER_MESSAGE_ENACT,   /* put the prepared generation in force; ABANDON: discard it */
    MASTER_MESSAGE_ABANDON,
    MASTER_MESSAGE_SERVE, /* also accept connections for slot number; RETURN: no longer */
    MASTER_MESSAGE_RETURN,
    MASTER_MESSAGE_LOGS,  /* reopen the log file */
    MASTER_MESSAGE_DRAIN, /* shut down gracefully */
    MASTER_MESSAGE_END    /* end now */
};

struct master_message {
    enum master_message_kind kind;
    unsigned number;
    char text[512];
};

/* Two connected, non-blocking ends, closed on exec. */
bool master_message_pair(int ends_r[2]) MUST_CHECK;
/* False: not sent (the other side does not read, or is gone). text may be NULL. */
bool master_message_send(int end, enum master_message_kind kind, unsigned number, const char *text);
enum master_message_read { MASTER_MESSAGE_READ, MASTER_MESSAGE_NONE, MASTER_MESSAGE_GONE };
enum master_message_read master_message_receive(int end, struct master_message *notice_r);

#endif
