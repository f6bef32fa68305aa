/* SPDX-License-Identifier: Apache-2.0 */
/* said_reader.h - user:said: the status that users stored last.
 *
 * One read of the store is under way at a time. Calls during a read share the next one: this keeps it cheap when all
 * users connect at once.
 */
#ifndef LUA_SAID_READER_H
#define LUA_SAID_READER_H

#include <lua.h>

#include "base/slice.h"

struct said_reader;

/* A binding's last line. Returns {userId, status, statusMessage?, endsMs?}; nil, not_found if the user has no
 * stored status, or it has ended. */
int said_reader_ask(lua_State *L, struct slice user_id);
/* Call it after the tasks are freed. */
void said_reader_free(struct said_reader **reader);

#endif
