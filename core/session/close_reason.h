/* SPDX-License-Identifier: Apache-2.0 */
/* close_reason.h - every way a session can end: one row, one log line, one name. */
#ifndef SESSION_CLOSE_REASON_H
#define SESSION_CLOSE_REASON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

/* id, name (metrics, logs, scripts), WebSocket close code, is the session recoverable afterwards, should its client
 * come back, may a polling client read its last packets first, log level */
#define CLOSE_REASONS(ROW)                                                            \
    ROW(CLIENT_GONE, "transport close", 0, true, false, false, LOG_DEBUG)             \
    ROW(TRANSPORT_ERROR, "transport error", 1002, true, false, false, LOG_INFO)       \
    ROW(PING_TIMEOUT, "ping timeout", 1000, true, true, false, LOG_INFO)              \
    ROW(PARSE_ERROR, "parse error", 1000, false, false, false, LOG_INFO)              \
    ROW(INVALID_STATE, "invalid state", 1000, false, false, true, LOG_INFO)           \
    ROW(CONNECT_TIMEOUT, "connect timeout", 1000, false, false, true, LOG_INFO)       \
    ROW(FORCED, "forced close", 1000, true, true, true, LOG_INFO)                     \
    ROW(SERVER_DISCONNECT, "forced server close", 1000, false, false, true, LOG_INFO) \
    ROW(SHUTTING_DOWN, "server shutting down", 1012, true, true, true, LOG_DEBUG)     \
    ROW(OVERLOAD, "overload", 1013, true, true, true, LOG_INFO)                       \
    ROW(SLOW, "slow_consumer", 1013, true, true, false, LOG_INFO)                     \
    ROW(TOO_LARGE, "too large", 1009, false, false, false, LOG_INFO)                  \
    ROW(FLOOD, "flood", 1008, false, false, false, LOG_INFO)                          \
    ROW(BAD_JSON, "bad json", 1007, false, false, false, LOG_INFO)                    \
    ROW(BAD_TYPE, "bad type", 1008, false, false, false, LOG_INFO)                    \
    ROW(BINARY_ON_PLAIN, "binary on plain", 1003, false, false, false, LOG_INFO)      \
    ROW(REFUSED, "refused", 4401, false, false, false, LOG_INFO)                      \
    ROW(EXPIRED, "token expired", 4401, false, true, true, LOG_INFO)                  \
    ROW(ENDPOINT_GONE, "endpoint gone", 1001, false, true, false, LOG_INFO)           \
    ROW(REPLACED, "session replaced", 1000, true, true, true, LOG_DEBUG)

enum close_reason {
#define CLOSE_REASON_ENUM(id, name, code, recoverable, returns, lingers, level) CLOSE_##id,
    CLOSE_REASONS(CLOSE_REASON_ENUM)
#undef CLOSE_REASON_ENUM
};

const char *close_reason_name(enum close_reason reason);
uint16_t close_reason_code(enum close_reason reason);
bool close_reason_recoverable(enum close_reason reason);
/* Engine.IO's CLOSE tells some clients (python-socketio) to stay away. So CLOSE goes only to clients that should stay
 * away or that broke the protocol. A polling client that should come back finds its session unknown, as after a
 * restart. */
bool close_reason_returns(enum close_reason reason);
bool close_reason_lingers(enum close_reason reason);
enum log_level close_reason_level(enum close_reason reason);

#endif
