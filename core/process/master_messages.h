/* SPDX-License-Identifier: Apache-2.0 */
/* master_messages.h - what master and worker tell each other: small messages over a socket pair that keeps them apart.
 *
 * The end of the other side is the end of the file: a worker whose master has gone sees it at once.
 */
#ifndef PROCESS_MASTER_MESSAGES_H
#define PROCESS_MASTER_MESSAGES_H

#include <stdbool.h>

#include "base/memory.h"

enum master_message_kind {
    /* Of the worker. */
    MASTER_MESSAGE_STARTING, /* gets on with what it must do before it serves; number: percent; text: of what */
    MASTER_MESSAGE_READY,    /* serves from now on */
    MASTER_MESSAGE_ALIVE,    /* each second, from the loop; number: connections */
    MASTER_MESSAGE_PREPARED, /* number: the generation that is ready to be enacted */
    MASTER_MESSAGE_REFUSED,  /* number: of which generation; text: why it cannot be */
    MASTER_MESSAGE_ENACTED,  /* number: the generation now in force */
    /* Of the master. */
    MASTER_MESSAGE_PREPARE, /* build the generation number aside; text: the fingerprint of its configuration */
    MASTER_MESSAGE_ENACT,   /* the prepared one is in force from now on; or is given up */
    MASTER_MESSAGE_ABANDON,
    MASTER_MESSAGE_SERVE, /* accept connections for the place number, too; or no longer */
    MASTER_MESSAGE_RETURN,
    MASTER_MESSAGE_LOGS,  /* open the log file anew */
    MASTER_MESSAGE_DRAIN, /* end well */
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
