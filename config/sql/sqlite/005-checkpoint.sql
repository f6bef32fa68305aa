-- SPDX-License-Identifier: Apache-2.0
-- How many transactions the file held at the last checkpoint: a file with fewer is not the one that the log beside it
-- belongs to (core/store/sqlite/lineage.c).
ALTER TABLE lineage ADD COLUMN checkpointed INTEGER NOT NULL DEFAULT 0;
