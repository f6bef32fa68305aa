-- SPDX-License-Identifier: Apache-2.0
-- A message is one row, and that row is its event too: fewer trees, and so fewer pages, for each message that is sent.
-- What came after it (edits, deletions, reactions) are rows of changes. The head of a log is counted from them.
ALTER TABLE messages RENAME TO old_messages;
ALTER TABLE events RENAME TO old_events;
DROP INDEX messages_id;
DROP INDEX messages_thread;
-- said: what was said at first, when it was edited; NULL: content. checksum: CRC-32 of what is said
-- (core/store/sqlite/db.h); NULL: written before there were checksums.
CREATE TABLE messages (
    channel_id TEXT NOT NULL,
    message_seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    edited_ms INTEGER,
    deleted_ms INTEGER,
    checksum INTEGER,
    thread_id TEXT,
    content TEXT NOT NULL,
    attachments TEXT,
    said TEXT,
    PRIMARY KEY (channel_id, message_seq)
) WITHOUT ROWID;
-- kind: 1 edit, 2 delete, 3 reaction added, 4 removed. body: the payload that clients see, without seq, epoch and
-- messageSeq.
CREATE TABLE changes (
    channel_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    sender TEXT NOT NULL,
    message_seq INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    checksum INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (channel_id, seq)
) WITHOUT ROWID;
-- What a retry is known by. Clients whose ids begin with the time (the SDK's; UUIDv7) add where the newest are, too.
-- fingerprint: of what was asked, to tell a retry from another use of its client_id.
CREATE TABLE client_ids (
    client_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    seq INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    PRIMARY KEY (client_id, channel_id, sender)
) WITHOUT ROWID;
-- slices of SELECT (SELECT count(*) FROM old_messages) - (SELECT count(*) FROM messages)
INSERT INTO messages
    SELECT m.channel_id, m.message_seq, e.epoch, m.message_id, m.user_id, m.created_ms, m.edited_ms, m.deleted_ms,
        CASE WHEN m.edited_ms IS NULL OR m.deleted_ms THEN m.checksum END, m.thread_id, m.content, m.attachments,
        CASE WHEN m.edited_ms AND m.deleted_ms IS NULL THEN e.body -> '$.content' END
    FROM old_messages m CROSS JOIN old_events e ON e.channel_id = m.channel_id AND e.seq = m.message_seq
    WHERE (m.channel_id, m.message_seq) > (SELECT +a, +b FROM (SELECT '' AS a, 0 AS b UNION ALL SELECT * FROM (
        SELECT channel_id, message_seq FROM messages ORDER BY channel_id DESC, message_seq DESC LIMIT 1))
        ORDER BY a DESC LIMIT 1)
    ORDER BY m.channel_id, m.message_seq LIMIT 2000;
-- slices of SELECT (SELECT count(*) FROM old_events WHERE kind <> 0) - (SELECT count(*) FROM changes)
INSERT INTO changes
    SELECT channel_id, seq, epoch, kind, sender, message_seq, created_ms, checksum, body FROM old_events
    WHERE kind <> 0 AND (channel_id, seq) > (SELECT +a, +b FROM (SELECT '' AS a, 0 AS b UNION ALL SELECT * FROM (
        SELECT channel_id, seq FROM changes ORDER BY channel_id DESC, seq DESC LIMIT 1)) ORDER BY a DESC LIMIT 1)
    ORDER BY channel_id, seq LIMIT 2000;
-- step
CREATE INDEX old_client_ids ON old_events (client_id, channel_id, sender, fingerprint) WHERE client_id IS NOT NULL;
-- slices of SELECT (SELECT count(*) FROM old_events WHERE client_id IS NOT NULL) - (SELECT count(*) FROM client_ids)
INSERT INTO client_ids
    SELECT client_id, channel_id, sender, seq, fingerprint FROM old_events INDEXED BY old_client_ids
    WHERE client_id IS NOT NULL AND (client_id, channel_id, sender) > (SELECT +a, +b, +c FROM (
        SELECT '' AS a, '' AS b, '' AS c UNION ALL SELECT * FROM (SELECT client_id, channel_id, sender FROM client_ids
        ORDER BY client_id DESC, channel_id DESC, sender DESC LIMIT 1)) ORDER BY a DESC LIMIT 1)
    ORDER BY client_id, channel_id, sender LIMIT 2000;
-- step
-- Ids of messages ascend in time: whatever the channels, the newest are together.
CREATE UNIQUE INDEX messages_id ON messages (message_id, channel_id);
-- step
CREATE INDEX messages_thread ON messages (channel_id, thread_id, message_seq) WHERE thread_id IS NOT NULL;
CREATE INDEX changes_edits ON changes (channel_id, message_seq) WHERE kind = 1;
-- step
DROP TABLE old_events;
-- step
DROP TABLE old_messages;
-- The log: each number once.
CREATE VIEW events AS
    SELECT channel_id, message_seq AS seq, epoch, 0 AS kind, user_id AS sender, message_seq FROM messages
    UNION ALL
    SELECT channel_id, seq, epoch, kind, sender, message_seq FROM changes;
ALTER TABLE channels DROP COLUMN last_seq;
CREATE VIEW heads AS
    SELECT channel_id, min_seq,
        max(min_seq - 1, coalesce((SELECT max(message_seq) FROM messages m WHERE m.channel_id = c.channel_id), 0),
            coalesce((SELECT max(seq) FROM changes g WHERE g.channel_id = c.channel_id), 0)) AS last_seq
    FROM channels c;
