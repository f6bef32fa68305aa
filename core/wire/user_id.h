/* SPDX-License-Identifier: Apache-2.0 */
/* user_id.h - what a user's id may be: ids as identity providers issue them ("auth0|5f7c", "alice@uni.example", "42").
 */
#ifndef WIRE_USER_ID_H
#define WIRE_USER_ID_H

#include "base/slice.h"

enum { USER_ID_MAX = 255 };

/* 1 to USER_ID_MAX bytes of UTF-8 without control characters (C0, DEL, C1). */
bool user_id_valid(struct slice id);

#endif
