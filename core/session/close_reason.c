/* SPDX-License-Identifier: Apache-2.0 */
#include "session/close_reason.h"

struct close_row {
    const char *name;
    uint16_t code;
    bool recoverable, returns, lingers;
    enum log_level level;
};

static const struct close_row rows[] = {
#define CLOSE_REASON_ROW(id, name, code, recoverable, returns, lingers, level) \
    {name, code, recoverable, returns, lingers, level},
    CLOSE_REASONS(CLOSE_REASON_ROW)
#undef CLOSE_REASON_ROW
};

const char *close_reason_name(enum close_reason reason) {
    return rows[reason].name;
}

uint16_t close_reason_code(enum close_reason reason) {
    return rows[reason].code;
}

bool close_reason_recoverable(enum close_reason reason) {
    return rows[reason].recoverable;
}

bool close_reason_returns(enum close_reason reason) {
    return rows[reason].returns;
}

bool close_reason_lingers(enum close_reason reason) {
    return rows[reason].lingers;
}

enum log_level close_reason_level(enum close_reason reason) {
    return rows[reason].level;
}
