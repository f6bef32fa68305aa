/* SPDX-License-Identifier: Apache-2.0 */
/* script_route.h - HTTP requests that scripts answer: REST and the owner's own pages. For router.c alone.
 *
 * A request becomes JSON for POLICY_ROUTE, {method, path, query, headers, address}, beside its body; the answer is
 * {status, headers?, body?}, where a body that is a text is sent as it is and anything else as JSON. A route with a
 * head function is first asked without body, as POLICY_ROUTE_HEAD: the body of a refused request is never read.
 */
#ifndef WORKER_SCRIPT_ROUTE_H
#define WORKER_SCRIPT_ROUTE_H

#include "base/list.h"
#include "net/http.h"

struct worker;

enum { ROUTE_MS = 30000 };

/* http_events.head. False: no script wants to be asked before the body is read. */
bool script_route_head(struct worker *worker, struct list *calls, struct http_request *request);
/* False: no script has such a route. calls: the list of those under way. */
bool script_route_request(struct worker *worker, struct list *calls, struct http_request *request);
/* Answers all with 503. */
void script_route_end_all(struct list *calls);
/* {"ok":false,"error":{code, message}} */
void script_route_reply_error(struct http_exchange **exchange, unsigned status, const char *code, const char *message);

#endif
