#include "redis/redis_slots.h"

#include "redis/redis_reply.h"
#include "redis/slot.h"

enum { PORT_MAX = 65535 };

static bool in_range(const struct redis_value *value, int64_t least, int64_t most) {
    return value->type == REDIS_INTEGER && value->integer >= least && value->integer <= most;
}

bool redis_slots_row(const struct redis_value *item, struct slots_row *row_r) {
    const struct redis_value *first = reply_item(item, 0), *last = reply_item(item, 1);
    const struct redis_value *primary = reply_item(item, 2);
    const struct redis_value *host = reply_item(primary, 0), *port = reply_item(primary, 1);
    if (!in_range(first, 0, REDIS_SLOTS - 1) || !in_range(last, first->integer, REDIS_SLOTS - 1)) return false;
    if (!in_range(port, 1, PORT_MAX) || (host->type != REDIS_STRING && host->type != REDIS_NIL)) return false;
    if (host->text.len && memchr(host->text.ptr, '\0', host->text.len)) return false;
    *row_r = (struct slots_row){(unsigned)first->integer, (unsigned)last->integer, host->text, (uint16_t)port->integer};
    if (slice_is(row_r->host, "?")) row_r->host = SLICE_NONE; /* it does not know its name */
    return true;
}

void redis_slots_address(const struct slots_row *row, const char *asked, struct buffer *out) {
    if (row->host.len == 0)
        buffer_append(out, asked, (size_t)(strrchr(asked, ':') - asked));
    else
        buffer_printf(out, memchr(row->host.ptr, ':', row->host.len) ? "[%.*s]" : "%.*s", SLICE_ARG(row->host));
    buffer_printf(out, ":%u", row->port);
}
