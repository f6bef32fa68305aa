-- SPDX-License-Identifier: Apache-2.0
-- The logs of a shard's channels. Text is compared byte by byte.

-- An epoch begins whenever this database may have lost acknowledged numbers: a standby was promoted (another timeline),
-- a backup was restored (another timeline or system). The incarnation tells apart two standbys that were both promoted.
CREATE TABLE epochs (
    number bigint PRIMARY KEY,
    incarnation text COLLATE "C" NOT NULL,
    timeline text NOT NULL,
    system_id text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Locked while an append numbers its events. Half of each page is free: the number changes in place (HOT).
CREATE TABLE channel_heads (
    channel_id text COLLATE "C" PRIMARY KEY,
    last_seq bigint NOT NULL DEFAULT 0,
    min_seq bigint NOT NULL DEFAULT 1 -- older events are trimmed
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);
-- kind: 0 message, 1 edit, 2 delete, 3 reaction added, 4 removed. A message's event has its message_seq as its seq.
-- content: NULL: the message's own is what was said. fingerprint: of what was asked, to tell a retry from another use of
-- its client_id; the server makes one, beginning with "~", for what came without.
CREATE TABLE events (
    channel_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    epoch bigint NOT NULL,
    kind smallint NOT NULL,
    sender text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    fingerprint bigint NOT NULL,
    message_seq bigint NOT NULL,
    created_ms bigint NOT NULL,
    content text,
    emoji text COLLATE "C",
    reactions text, -- of the message when it was edited, as JSON
    PRIMARY KEY (channel_id, seq)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE UNIQUE INDEX events_client ON events (channel_id, sender, client_id);
CREATE INDEX events_edits ON events (channel_id, message_seq) WHERE kind = 1;
CREATE TABLE messages (
    channel_id text COLLATE "C" NOT NULL,
    message_seq bigint NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    content text NOT NULL, -- JSON, as it was sent
    thread_id text COLLATE "C",
    created_ms bigint NOT NULL,
    edited_ms bigint,
    deleted_ms bigint,
    PRIMARY KEY (channel_id, message_seq)
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX messages_id ON messages (channel_id, message_id);
CREATE INDEX messages_thread ON messages (channel_id, thread_id, message_seq) WHERE thread_id IS NOT NULL;
CREATE TABLE attachments (
    channel_id text COLLATE "C" NOT NULL,
    message_seq bigint NOT NULL,
    attachments text NOT NULL, -- a JSON array, as it was sent
    PRIMARY KEY (channel_id, message_seq)
);
CREATE TABLE reactions (
    channel_id text COLLATE "C" NOT NULL,
    message_seq bigint NOT NULL,
    emoji text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL, -- of the event that added it
    PRIMARY KEY (channel_id, message_seq, emoji, user_id)
);
CREATE TABLE probe (at_ms bigint NOT NULL);
INSERT INTO probe VALUES (0);

-- Of this primary. A server that has become a standby says so as it would to a write.
CREATE FUNCTION stoa_timeline() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this server is a standby' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    RETURN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
END $$;

-- The epoch in force; begins one if this is not the server of the last. Of two workers that see it at once, one begins
-- it. Not on a standby.
CREATE FUNCTION stoa_epoch() RETURNS SETOF epochs LANGUAGE plpgsql AS $$
DECLARE
    latest epochs;
    system_now text := (SELECT system_identifier::text FROM pg_control_system());
BEGIN
    SELECT * INTO latest FROM epochs ORDER BY number DESC LIMIT 1;
    IF latest.number IS NULL OR latest.timeline <> stoa_timeline() OR latest.system_id <> system_now THEN
        INSERT INTO epochs (number, incarnation, timeline, system_id)
        VALUES (coalesce(latest.number, 0) + 1, left(md5(gen_random_uuid()::text), 8), stoa_timeline(), system_now)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN QUERY SELECT * FROM epochs ORDER BY number DESC LIMIT 1;
END $$;

-- A message as history tells it.
CREATE VIEW message_rows AS
    SELECT m.channel_id, m.message_seq, m.message_id, m.user_id, m.content, m.thread_id, a.attachments, m.created_ms,
        m.edited_ms, m.deleted_ms,
        (SELECT '{' || string_agg(to_json(e.emoji)::text || ':[' || e.users || ']', ',' ORDER BY e.emoji) || '}'
         FROM (SELECT r.emoji, string_agg(to_json(r.user_id)::text, ',' ORDER BY r.seq) AS users FROM reactions r
               WHERE r.channel_id = m.channel_id AND r.message_seq = m.message_seq GROUP BY r.emoji) e) AS reactions
    FROM messages m LEFT JOIN attachments a ON a.channel_id = m.channel_id AND a.message_seq = m.message_seq;

-- An event with the message that it speaks of, as it was then.
CREATE VIEW event_rows AS
    SELECT e.channel_id, e.seq, p.number || '-' || p.incarnation AS epoch, e.kind, e.sender, e.emoji, e.message_seq,
        m.message_id, m.user_id, coalesce(e.content, m.content) AS content, m.thread_id, a.attachments, e.reactions,
        m.created_ms, CASE WHEN e.kind = 1 THEN e.created_ms END AS edited_ms, m.deleted_ms
    FROM events e JOIN epochs p ON p.number = e.epoch
    LEFT JOIN messages m ON m.channel_id = e.channel_id AND m.message_seq = e.message_seq
    LEFT JOIN attachments a ON a.channel_id = e.channel_id AND a.message_seq = e.message_seq;

-- The head of a channel, and where a reader continues who has read up to p_seq in p_epoch. fork: the last number that
-- is common, if the reader's log is another one above it; else -1. No row: there is no such channel.
CREATE FUNCTION stoa_cursor(p_channel text, p_seq bigint, p_epoch text)
RETURNS TABLE (head bigint, floor bigint, epoch text, fork bigint, after bigint) LANGUAGE plpgsql STABLE AS $$
DECLARE
    now_in epochs;
    reader bigint;
BEGIN
    SELECT h.last_seq, h.min_seq - 1 INTO head, floor FROM channel_heads h WHERE h.channel_id = p_channel;
    IF NOT FOUND THEN RETURN; END IF;
    SELECT * INTO now_in FROM epochs ORDER BY number DESC LIMIT 1;
    epoch := now_in.number || '-' || now_in.incarnation;
    fork := -1;
    IF p_epoch IS NOT NULL AND p_seq > 0 AND (p_epoch <> epoch OR p_seq > head) THEN
        SELECT number INTO reader FROM epochs WHERE number || '-' || incarnation = p_epoch;
        IF reader IS NULL THEN
            fork := 0; -- an incarnation that was never ours: nothing is known to be common
        ELSIF NOT EXISTS (SELECT FROM events e WHERE e.channel_id = p_channel AND e.seq = p_seq AND e.epoch = reader)
        THEN
            SELECT coalesce(max(e.seq), 0) INTO fork FROM events e WHERE e.channel_id = p_channel AND e.epoch <= reader;
            IF fork >= p_seq THEN fork := -1; END IF; -- a cursor of a later epoch, in what came before it
        END IF;
    END IF;
    after := CASE WHEN fork >= 0 THEN fork ELSE p_seq END;
    after := greatest(after, floor);
    RETURN NEXT;
END $$;
