/* SPDX-License-Identifier: Apache-2.0 */
/* dial_url.h - the URL of a WebSocket. core/net only. */
#ifndef NET_DIAL_URL_H
#define NET_DIAL_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"

struct dial_url {
    bool tls;
    uint16_t port;
    char *host; /* a name, or an IP address without brackets */
    char *host_field, *path;
};
/* url: "ws://name:80/path?query". False: it is not a WebSocket URL. */
bool dial_url_read(const char *text, struct dial_url *url_r) MUST_CHECK;
void dial_url_done(struct dial_url *url);

#endif
