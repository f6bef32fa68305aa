/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/forwarded.h"

#include "wire/http_head.h"

/* The item after the list's last comma, without white space; list becomes the part before it. */
static struct slice take_last(struct slice *list) {
    size_t start = list->len;
    while (start > 0 && list->ptr[start - 1] != ',') start--;
    struct slice last = slice_from(*list, start);
    *list = (struct slice){list->ptr, start > 0 ? start - 1 : 0};
    while (last.len > 0 && (last.ptr[0] == ' ' || last.ptr[0] == '\t')) last = slice_from(last, 1);
    while (last.len > 0 && (last.ptr[last.len - 1] == ' ' || last.ptr[last.len - 1] == '\t')) last.len--;
    return last;
}

/* Some proxies name the port too: "192.0.2.7:4711", "[2001:db8::7]:4711". */
static struct slice without_port(struct slice item) {
    const char *colon = item.len ? memchr(item.ptr, ':', item.len) : NULL;
    if (item.len > 0 && item.ptr[0] == '[') {
        const char *end = memchr(item.ptr, ']', item.len);
        return end ? (struct slice){item.ptr + 1, (size_t)(end - item.ptr) - 1} : item;
    }
    if (!colon || memchr(colon + 1, ':', (size_t)(slice_end(item) - colon - 1))) return item; /* none, or IPv6 */
    return (struct slice){item.ptr, (size_t)(colon - item.ptr)};
}

bool forwarded_client(const struct http_head *head, const struct networks *trusted, struct address *address) {
    struct slice lines[HTTP_HEAD_FIELDS_MAX], rest = head->fields;
    size_t len = 0;
    while (len < HTTP_HEAD_FIELDS_MAX && http_head_next(&rest, "x-forwarded-for", &lines[len])) len++;
    while (len > 0) {
        struct slice *line = &lines[len - 1];
        while (line->len > 0) {
            if (!networks_have(trusted, address)) return true;
            struct slice item = take_last(line);
            if (item.len > 0 && !address_parse(without_port(item), address)) return false; /* RFC 9110, 5.6.1.2 */
        }
        len--;
    }
    return true;
}
