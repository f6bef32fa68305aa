#include "session/watch.h"

#include "session/place.h"

void watch_begin(struct watch *watch, struct socket *socket) {
    watch->socket = socket;
    list_append(&socket->watches, &watch->link);
}

void watch_end(struct watch *watch) {
    if (watch->socket) list_remove(&watch->link);
    watch->socket = NULL;
}

void watches_tell(struct socket *socket) {
    while (!list_empty(&socket->watches)) {
        struct watch *watch = CONTAINER(socket->watches.next, struct watch, link);
        watch->ended(watch);
        watch_end(watch);
    }
}
