/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/number.h"

#include <sqlite3.h>
#include <stddef.h>

int64_t sqlite_number(sqlite3 *handle, const char *sql) {
    sqlite3_stmt *row = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(handle, sql, -1, &row, NULL) == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW)
        number = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return number;
}
