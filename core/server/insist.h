/* insist.h - messages that others must not miss, though the bus loses some: said again every INSIST_EVERY_MS, until the
 * bus has worked for INSIST_FOR_MS since. Hearing one twice must do no harm.
 */
#ifndef SERVER_INSIST_H
#define SERVER_INSIST_H

#include "base/slice.h"

struct bus;
struct bus_message;
struct insist;
struct loop;

/* MAX: beyond, the oldest one is given up. */
enum { INSIST_EVERY_MS = 1500, INSIST_FOR_MS = 4500, INSIST_MAX = 10000 };

/* bus outlives it. */
struct insist *insist_new(struct loop *loop, struct bus *bus);
void insist_free(struct insist **insist);
/* Publishes now, and again; of the message its kind and body count. */
void insist_publish(struct insist *insist, struct slice topic, const struct bus_message *message);

#endif
