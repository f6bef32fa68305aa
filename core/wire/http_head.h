/* SPDX-License-Identifier: Apache-2.0 */
/* http_head.h - the head of an HTTP/1.1 request: strict, in place, builds nothing. Pure.
 *
 * Whatever parsers could interpret differently is refused (RFC 9112, sections 2.2, 3, 5, 6 and 11.2): bare line ends,
 * folded lines, white space around a name, a length that is not digits, a Transfer-Encoding that is not "chunked"
 * alone, or beside a Content-Length, or in HTTP/1.0, a single-valued field twice. The body: wire/chunked.h.
 */
#ifndef WIRE_HTTP_HEAD_H
#define WIRE_HTTP_HEAD_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

enum { HTTP_HEAD_FIELDS_MAX = 100, HTTP_HEAD_ARGUMENTS_MAX = 24 };

enum http_head_result { HTTP_HEAD_COMPLETE, HTTP_HEAD_PARTIAL, HTTP_HEAD_BAD };

struct http_head {
    struct slice method, path, query; /* path as sent; query without '?' */
    struct slice fields;              /* all lines, each with its CRLF; BAD: those before the one that is wrong */
    unsigned minor;                   /* HTTP/1.minor */
    bool has_length, chunked;         /* the body's length: body_bytes; known when it ends. Neither: no body */
    uint64_t body_bytes;
    size_t bytes; /* of the whole head */

    unsigned status;   /* BAD: what to answer */
    const char *fault; /* BAD: a constant word for counters and logs */
};

/* bytes: what has arrived so far; at most max_bytes of it are looked at, which is the longest head. An incomplete line
 * has no effect unless it is too long. */
enum http_head_result http_head_parse(struct slice bytes, size_t max_bytes, struct http_head *head_r) MUST_CHECK;
/* The value of the first field of that (lower-case) name, without white space around it; ptr NULL: there is none. */
struct slice http_head_field(const struct http_head *head, const char *name);
/* The next field of that (lower-case) name, where one may come several times; *rest is head->fields at first. */
bool http_head_next(struct slice *rest, const char *name, struct slice *value_r) MUST_CHECK;
/* RFC 9110, section 5.6.2. */
bool http_head_is_token_char(unsigned char c);
/* The next item of a comma-separated list, without white space around it; list becomes the rest. */
struct slice http_head_list_take(struct slice *list);
/* Is word (lower-case) an item of the comma-separated list? */
bool http_head_list_has(struct slice list, const char *word);
/* The same for the combined list of all fields of that (lower-case) name (RFC 9110, section 5.3). */
bool http_head_lists(const struct http_head *head, const char *name, const char *word);

#endif
