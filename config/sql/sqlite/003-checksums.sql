-- SPDX-License-Identifier: Apache-2.0
-- CRC-32 of what is said (core/store/sqlite/db.h). NULL: written before there were checksums.
ALTER TABLE events ADD COLUMN checksum INTEGER;
ALTER TABLE messages ADD COLUMN checksum INTEGER;
