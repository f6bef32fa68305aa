/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one request on one connection, in either thread. */
#include <time.h>

#include "base/fault.h"
#include "base/log.h"
#include "store/sqlite/sqlite_internal.h"
#include "store/store_json.h"
#include "store/store_sound.h"

enum { SLOW_NS = 8000000 };

static enum store_status dispatch(struct sqlite_db *db, struct store_request *request) {
    if (!store_request_sound(request)) return STORE_BAD;
    db->now_ms = request->driver.now_ms;
    switch (request->op) {
        case STORE_APPEND:
            return sqlite_append(db, request);
        case STORE_APPENDED:
            return sqlite_appended(db, request);
        case STORE_EVENTS:
            return sqlite_events(db, request);
        case STORE_MESSAGES:
            return sqlite_messages(db, request);
        case STORE_MESSAGE:
            return sqlite_message(db, request);
        case STORE_HEADS:
            return sqlite_heads(db, request);
        case STORE_CHANNEL_PUT:
        case STORE_CHANNEL:
        case STORE_MEMBER_PUT:
        case STORE_MEMBER_DELETE:
        case STORE_MEMBER:
        case STORE_MEMBERS:
        case STORE_USER_CHANNELS:
        case STORE_READ_MARK:
            return sqlite_channels(db, request);
        default:
            return sqlite_users(db, request);
    }
}

void sqlite_perform(struct sqlite_db *db, struct store_request *request) {
    db->failure = STORE_OK;
    db->found_corrupt = false;
    enum store_status status = dispatch(db, request);
    if (status == STORE_OK || status == STORE_NOT_FOUND) status = db->failure == STORE_OK ? status : db->failure;
    if (db->found_corrupt) {
        atomic_store(&db->is_damaged, true);
        LOG(LOG_ERROR, "store.corrupt", LOG_SLICE("channel", request->channel_id),
            LOG_NUMBER("after", request->op == STORE_EVENTS ? request->events.seq : 0));
        status = STORE_UNAVAILABLE;
    }
    if (status != STORE_OK) store_request_unanswer(request);
    request->status = status;
}

void sqlite_read(struct sqlite_db *db, struct store_request *request) {
    request->status = STORE_UNAVAILABLE;
    if (db_run(db, db_query(db, "BEGIN")) == STORE_OK) sqlite_perform(db, request);
    if (fault_planted("follow_outlives"))
        nanosleep(&(struct timespec){.tv_nsec = SLOW_NS}, NULL); /* lets a test interrupt it */
    db_end_readings(db);
    if (!sqlite3_get_autocommit(db->handle)) db_run(db, db_query(db, "COMMIT"));
}
