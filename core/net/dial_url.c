/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial_url.h"

#include <event2/http.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "net/dial.h"

static char *copy(struct slice text) {
    return memory_copy(text.ptr, text.len);
}

/* An IPv6 address without its brackets. */
static struct slice bare(const char *host) {
    size_t len = strlen(host);
    return len > 2 && host[0] == '[' && host[len - 1] == ']' ? (struct slice){host + 1, len - 2} : slice_of(host);
}

static bool read_parts(const struct evhttp_uri *uri, struct dial_url *url) {
    const char *scheme = evhttp_uri_get_scheme(uri), *host = evhttp_uri_get_host(uri);
    const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);
    int port = evhttp_uri_get_port(uri);
    if (!scheme || !host || !*host) return false;
    url->tls = strcasecmp(scheme, "wss") == 0;
    if (!url->tls && strcasecmp(scheme, "ws") != 0) return false;
    if (evhttp_uri_get_userinfo(uri) || evhttp_uri_get_fragment(uri)) return false; /* RFC 6455, section 3 */
    if (port == 0 || port > UINT16_MAX) return false;
    int usual = url->tls ? 443 : 80;
    url->port = (uint16_t)(port > 0 ? port : usual);
    struct buffer text = {0};
    buffer_append_str(&text, host);
    if (url->port != usual) buffer_printf(&text, ":%u", url->port);
    url->host_field = buffer_take(&text, NULL);
    buffer_append_str(&text, path && *path ? path : "/");
    if (query) buffer_printf(&text, "?%s", query);
    url->path = buffer_take(&text, NULL);
    url->host = copy(bare(host));
    return true;
}

bool dial_url_read(const char *text, struct dial_url *url_r) {
    *url_r = (struct dial_url){0};
    struct evhttp_uri *uri = strlen(text) <= DIAL_URL_MAX ? evhttp_uri_parse(text) : NULL;
    if (!uri) return false;
    bool known = read_parts(uri, url_r);
    evhttp_uri_free(uri);
    return known;
}

void dial_url_done(struct dial_url *url) {
    free(url->host);
    free(url->host_field);
    free(url->path);
    *url = (struct dial_url){0};
}
