/* SPDX-License-Identifier: Apache-2.0 */
/* namespace_connect.h - a client's CONNECT to a namespace: who is the client, does an earlier socket continue, is the
 * client admitted. */
#ifndef SESSION_NAMESPACE_CONNECT_H
#define SESSION_NAMESPACE_CONNECT_H

#include "base/slice.h"

struct arrival;
struct connecting;
struct session;
struct socket;

void namespace_connect_begin(struct session *session, struct socket *none, const struct arrival *arrival);
/* The client's `auth`, an object. */
struct slice namespace_connect_auth(const struct connecting *connecting);
/* The socket ends before its CONNECT is answered. */
void namespace_connect_abandon(struct connecting **connecting);

#endif
