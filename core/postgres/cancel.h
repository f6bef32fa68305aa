/* SPDX-License-Identifier: Apache-2.0 */
/* cancel.h - ask a server to stop a query, without waiting for it. */
#ifndef POSTGRES_CANCEL_H
#define POSTGRES_CANCEL_H

#include <stdbool.h>

struct pg_conn;

/* False: too many such requests are under way, or the connection is gone. Whether the query was stopped shows in its
 * own answer. */
bool cancel_send(struct pg_conn *connection);

#endif
