/* SPDX-License-Identifier: Apache-2.0 */
/* hosts.h - by which names a server may be called (Host: RFC 9110, 7.2). Pure.
 *
 * A page that makes its own name lead here (DNS rebinding) is, to its browser, of this server's origin; only the name
 * that the browser says in Host tells the two apart.
 */
#ifndef WIRE_HOSTS_H
#define WIRE_HOSTS_H

#include "base/error.h"
#include "base/slice.h"

/* Can host be a name that somebody made lead here? No address is, nor localhost, nor a name without a dot, nor none. */
bool host_may_be_anyones(struct slice host);
/* One of names: "chat.example.org", also as an address with its port or as a page's origin; or "*". Ports do not count.
 */
bool host_is_one_of(struct slice host, const char *const *names, size_t len);

/* Could a Host be that one of names? False: error_r has what is meant. */
bool host_can_match(const char *name, struct error *error_r) MUST_CHECK;

#endif
