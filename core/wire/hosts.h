/* SPDX-License-Identifier: Apache-2.0 */
/* hosts.h - the names under which a server may be addressed (Host: RFC 9110, 7.2). Pure.
 *
 * A web page can make its own domain resolve to this server (DNS rebinding); its browser then treats the server as
 * same-origin. Only the Host header reveals the foreign name.
 */
#ifndef WIRE_HOSTS_H
#define WIRE_HOSTS_H

#include "base/error.h"
#include "base/slice.h"

/* True: anybody could make the name host resolve to this server. False for addresses, localhost, names without a dot,
 * and an empty one. */
bool host_may_be_anyones(struct slice host);
/* One of names: "chat.example.org", also as an address with its port or as a page's origin; or "*". Ports do not count.
 */
bool host_is_one_of(struct slice host, const char *const *names, size_t len);

/* Can a Host header match this entry? False: error_r explains what is expected. */
bool host_can_match(const char *name, struct error *error_r) MUST_CHECK;

#endif
