/* SPDX-License-Identifier: Apache-2.0 */
#include "session/watch.h"

#include "session/session_internal.h"

void watch_begin(struct watch *watch, struct socket *socket) {
    watch->socket = socket;
    watch->next = socket->watches;
    socket->watches = watch;
}

void watch_end(struct watch *watch) {
    if (!watch->socket) return;
    struct watch **at = &watch->socket->watches;
    while (*at != watch) at = &(*at)->next;
    *at = watch->next;
    watch->socket = NULL;
}

void watches_tell(struct socket *socket) {
    while (socket->watches) {
        struct watch *watch = socket->watches;
        watch->ended(watch);
        watch_end(watch);
    }
}
