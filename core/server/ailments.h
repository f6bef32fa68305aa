/* ailments.h - what scripts say of parts that they look after, for /health: "identity" is well, or what ails it. */
#ifndef SERVER_AILMENTS_H
#define SERVER_AILMENTS_H

#include "base/buffer.h"

enum { AILMENTS_MAX = 8, AILMENT_NAME_MAX = 31, AILMENT_TEXT_MAX = 127 };

/* {0} is none. */
struct ailments {
    struct ailment {
        char name[AILMENT_NAME_MAX + 1], text[AILMENT_TEXT_MAX + 1]; /* text "": it is well */
    } items[AILMENTS_MAX];
    size_t len;
};

/* text empty: the part is well. False: no such name ([a-z_]), one that the server itself reports, or too many. */
bool ailments_set(struct ailments *ailments, struct slice name, struct slice text) MUST_CHECK;
/* Other scripts are in force. */
void ailments_forget(struct ailments *ailments);
bool ailments_any(const struct ailments *ailments);
/* Members of a JSON object, each with a comma before it: ,"identity":"ok" */
void ailments_write(const struct ailments *ailments, struct buffer *out);

#endif
