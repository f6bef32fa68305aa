-- SPDX-License-Identifier: Apache-2.0
-- Channels and their logs, members, users, sessions, audit. Text is compared byte by byte (BINARY, SQLite's default).
CREATE TABLE epochs (
    number INTEGER PRIMARY KEY,
    incarnation TEXT NOT NULL,
    started_ms INTEGER NOT NULL
);
CREATE TABLE channels (
    channel_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    visibility TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    last_seq INTEGER NOT NULL DEFAULT 0, -- the head of the log
    min_seq INTEGER NOT NULL DEFAULT 1   -- older events are trimmed
) WITHOUT ROWID;
-- body: the payload that clients see, without seq, epoch and messageSeq. fingerprint: of what was asked, to tell a retry
-- from another use of its client_id.
CREATE TABLE events (
    channel_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    sender TEXT NOT NULL,
    client_id TEXT,
    fingerprint INTEGER NOT NULL,
    message_seq INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (channel_id, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX events_client ON events (channel_id, sender, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX events_message ON events (channel_id, message_seq);
CREATE TABLE messages (
    channel_id TEXT NOT NULL,
    message_seq INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    content TEXT NOT NULL,
    thread_id TEXT,
    attachments TEXT,
    created_ms INTEGER NOT NULL,
    edited_ms INTEGER,
    deleted_ms INTEGER,
    PRIMARY KEY (channel_id, message_seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX messages_id ON messages (channel_id, message_id);
CREATE INDEX messages_thread ON messages (channel_id, thread_id, message_seq) WHERE thread_id IS NOT NULL;
CREATE TABLE reactions (
    channel_id TEXT NOT NULL,
    message_seq INTEGER NOT NULL,
    emoji TEXT NOT NULL,
    user_id TEXT NOT NULL,
    seq INTEGER NOT NULL, -- of the event that added it
    PRIMARY KEY (channel_id, message_seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE members (
    channel_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    joined_ms INTEGER NOT NULL,
    read_seq INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel_id, user_id)
) WITHOUT ROWID;
CREATE INDEX members_user ON members (user_id);
CREATE TABLE users (
    user_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    avatar TEXT,
    last_seen_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY, -- SHA-256: a stolen database opens no session
    user_id TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_expiry ON sessions (expires_ms);
CREATE TABLE audit (
    audit_id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    channel_id TEXT,
    detail TEXT NOT NULL
);
CREATE INDEX audit_channel ON audit (channel_id, audit_id);
CREATE TABLE probe (at_ms INTEGER NOT NULL);
INSERT INTO probe VALUES (0);
