-- SPDX-License-Identifier: Apache-2.0
-- Which start of a server wrote last, and how many transactions there were: the file beside the database says the same
-- of the database that we left (core/store/sqlite/lineage.c).
DROP TABLE IF EXISTS instance;
CREATE TABLE lineage (
    run TEXT NOT NULL,
    commits INTEGER NOT NULL
);
INSERT INTO lineage VALUES ('', 0);
