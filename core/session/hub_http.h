/* SPDX-License-Identifier: Apache-2.0 */
/* hub_http.h - the hub's HTTP side: exchanges and upgrades below its paths, with the types of net/http.h. */
#ifndef SESSION_HUB_HTTP_H
#define SESSION_HUB_HTTP_H

#include <stdbool.h>

#include "base/slice.h"

struct buffer;
struct conn;
struct http_request;
struct http_upgrade;
struct hub;

/* False: the path is not the hub's. */
bool hub_request(struct hub *hub, struct http_request *request);
/* For http_events.refused: adds the CORS fields that let a page read the answer, if pages poll at this path. */
void hub_refused(const struct hub *hub, struct http_request *request, struct buffer *fields);
bool hub_upgrade(struct hub *hub, struct http_request *request, struct http_upgrade *upgrade_r);
/* For http_events.opened: owner as given in upgrade_r. */
void hub_opened(void *upgrade_owner, struct conn *conn);
/* The id of the session that a request names, on any worker. False: it names none. */
bool hub_names_session(const struct hub *hub, struct slice path, struct slice query, struct buffer *id_r);

#endif
