-- SPDX-License-Identifier: Apache-2.0
-- What users say of themselves, until they say otherwise; until_ms: when it ends by itself, 0: never.
CREATE TABLE words (
    user_id text COLLATE "C" PRIMARY KEY,
    status text NOT NULL,
    message text,
    until_ms bigint NOT NULL
);
CREATE TRIGGER moved AFTER INSERT OR UPDATE OR DELETE ON words FOR EACH STATEMENT EXECUTE FUNCTION stoa_moved();
