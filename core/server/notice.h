/* notice.h - what master and worker tell each other: small messages over a socket pair that keeps them apart.
 *
 * The end of the other side is the end of the file: a worker whose master has gone sees it at once.
 */
#ifndef SERVER_NOTICE_H
#define SERVER_NOTICE_H

#include <stdbool.h>

#include "base/memory.h"

enum notice_kind {
    /* Of the worker. */
    NOTICE_STARTING, /* gets on with what it must do before it serves; number: percent; text: of what */
    NOTICE_READY,    /* serves from now on */
    NOTICE_ALIVE,    /* each second, from the loop; number: connections */
    NOTICE_PREPARED, /* number: the generation that is ready to be enacted */
    NOTICE_REFUSED,  /* number: of which generation; text: why it cannot be */
    NOTICE_ENACTED,  /* number: the generation now in force */
    /* Of the master. */
    NOTICE_PREPARE, /* build the generation number aside; text: the fingerprint of its configuration */
    NOTICE_ENACT,   /* the prepared one is in force from now on; or is given up */
    NOTICE_ABANDON,
    NOTICE_SERVE, /* accept connections for the place number, too; or no longer */
    NOTICE_RETURN,
    NOTICE_LOGS,  /* open the log file anew */
    NOTICE_DRAIN, /* end well */
    NOTICE_END    /* end now */
};

struct notice {
    enum notice_kind kind;
    unsigned number;
    char text[512];
};

/* Two connected, non-blocking ends, closed on exec. */
bool notice_pair(int ends_r[2]) MUST_CHECK;
/* False: not sent (the other side does not read, or is gone). text may be NULL. */
bool notice_send(int end, enum notice_kind kind, unsigned number, const char *text);
enum notice_read { NOTICE_READ, NOTICE_NONE, NOTICE_GONE };
enum notice_read notice_receive(int end, struct notice *notice_r);

#endif
