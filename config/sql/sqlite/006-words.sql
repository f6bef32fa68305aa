-- SPDX-License-Identifier: Apache-2.0
-- What users say of themselves, until they say otherwise; until_ms: when it ends by itself, 0: never.
CREATE TABLE words (
    user_id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    message TEXT,
    until_ms INTEGER NOT NULL
) WITHOUT ROWID;
