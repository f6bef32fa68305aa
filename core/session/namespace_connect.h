/* SPDX-License-Identifier: Apache-2.0 */
/* namespace_connect.h - a client's CONNECT to a namespace: who is it, does an earlier socket continue, may it come in.
 */
#ifndef SESSION_NAMESPACE_CONNECT_H
#define SESSION_NAMESPACE_CONNECT_H

#include "base/slice.h"

struct arrival;
struct connecting;
struct session;
struct socket;

void namespace_connect_begin(struct session *session, struct socket *none, const struct arrival *arrival);
/* The `auth` that the client sent: an object. */
struct slice namespace_connect_auth(const struct connecting *connecting);
/* The socket goes before it was answered. */
void namespace_connect_abandon(struct connecting **connecting);

#endif
