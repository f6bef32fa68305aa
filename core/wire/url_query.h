/* SPDX-License-Identifier: Apache-2.0 */
/* url_query.h - a URL's query string (application/x-www-form-urlencoded). Pure. */
#ifndef WIRE_URL_QUERY_H
#define WIRE_URL_QUERY_H

#include "base/buffer.h"

/* Appends the decoded value of the first parameter of that name; false: absent, or a broken escape. */
bool url_query_find(struct slice query, const char *name, struct buffer *value) MUST_CHECK;
/* Appends an object of all parameters as JSON ({"EIO":"4",…}); broken ones and all past 64 are left out. */
void url_query_write_json(struct slice query, struct buffer *out);

#endif
