/* SPDX-License-Identifier: Apache-2.0 */
/* ids.h - identifiers: secret ones and ordered ones. For the loop's thread only. */
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include <stddef.h>
#include <stdint.h>

/* SESSION: Engine.IO session id, the process's characters (OWNER) and a secret. */
enum { ID_SOCKET_LEN = 20, ID_SECRET_LEN = 22, ID_OWNER_LEN = 6, ID_SESSION_LEN = 28, ID_MESSAGE_LEN = 26 };

/* len characters of base64url, 6 random bits each (getrandom, buffered), and a NUL. out holds len + 1. */
void id_random(char *out, size_t len);
uint64_t id_number(void);
/* A ULID (48 bits of wall-clock milliseconds, 80 random): ids made by one process are strictly ascending, also within
 * one millisecond and when the clock steps back. out holds ID_MESSAGE_LEN + 1. */
void id_message(char *out, uint64_t wall_ms);

#endif
