-- SPDX-License-Identifier: Apache-2.0
-- The append: one call, one transaction, one round trip.

-- CH001: this is not the server whose epoch the caller knows (a promotion), or the epoch is over.
CREATE FUNCTION stoa_check_epoch(p_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    latest epochs;
BEGIN
    SELECT * INTO latest FROM epochs ORDER BY number DESC LIMIT 1;
    IF latest.number IS DISTINCT FROM p_epoch OR latest.timeline <> stoa_timeline() THEN
        RAISE EXCEPTION 'stale epoch' USING ERRCODE = 'CH001';
    END IF;
END $$;

-- Locks the heads of the channels until the commit; those that are locked already are waited for, in one order for all
-- callers (no deadlock), or left out. Returns the channels whose heads are ours now.
CREATE FUNCTION stoa_lock(p_channels text[], p_wait boolean) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    IF p_wait THEN
        RETURN (SELECT coalesce(array_agg(channel_id), '{}') FROM (SELECT channel_id FROM channel_heads
            WHERE channel_id = ANY(p_channels) ORDER BY channel_id FOR UPDATE) h);
    END IF;
    RETURN (SELECT coalesce(array_agg(channel_id), '{}') FROM (SELECT channel_id FROM channel_heads
        WHERE channel_id = ANY(p_channels) ORDER BY channel_id FOR UPDATE SKIP LOCKED) h);
END $$;

CREATE FUNCTION stoa_missing(p_channel text) RETURNS text LANGUAGE sql AS
    $$ SELECT CASE WHEN EXISTS (SELECT FROM channel_heads WHERE channel_id = p_channel) THEN 'locked' ELSE 'not_found'
       END $$;

-- New messages. Each statement sees what was committed before it: the heads are locked by one, and a later one looks for
-- duplicates, so that what was committed by whoever held the lock is seen. A call always writes the heads, with
-- duplicates only too: its commit waits for the standby like that of the first append.
-- status: ok, duplicate, conflict (of the client_id), locked (left out), not_found. ord: from 1. event: of a duplicate.
CREATE FUNCTION stoa_append_messages(p_epoch bigint, p_wait boolean, p_channel text[], p_user text[], p_client text[],
    p_fingerprint bigint[], p_message text[], p_content text[], p_thread text[], p_attachments text[],
    p_created_ms bigint[])
RETURNS TABLE (ord bigint, status text, at_seq bigint, event event_rows) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET lock_timeout = '4s' AS $$
DECLARE
    ours text[];
    seqs bigint[];
    firsts boolean[];
    sames boolean[];
BEGIN
    PERFORM stoa_check_epoch(p_epoch);
    ours := stoa_lock(p_channel, p_wait);
    WITH asked AS MATERIALIZED (
        SELECT * FROM unnest(p_channel, p_user, p_client, p_fingerprint, p_message, p_content, p_thread, p_attachments,
            p_created_ms) WITH ORDINALITY u (channel_id, user_id, client_id, fingerprint, message_id, content,
            thread_id, attachments, created_ms, o)),
    known AS MATERIALIZED ( -- in the log already
        SELECT a.o, e.seq, e.fingerprint = a.fingerprint AS same FROM asked a JOIN events e
        ON e.channel_id = a.channel_id AND e.sender = a.user_id AND e.client_id = a.client_id
        WHERE a.channel_id = ANY(ours)),
    fresh AS MATERIALIZED ( -- of those with one client_id the first
        SELECT DISTINCT ON (a.channel_id, a.user_id, a.client_id) a.* FROM asked a
        WHERE a.channel_id = ANY(ours) AND NOT EXISTS (SELECT FROM known k WHERE k.o = a.o)
        ORDER BY a.channel_id, a.user_id, a.client_id, a.o),
    numbered AS MATERIALIZED (
        SELECT f.*, h.last_seq + row_number() OVER (PARTITION BY f.channel_id ORDER BY f.o) AS seq
        FROM fresh f JOIN channel_heads h ON h.channel_id = f.channel_id),
    heads AS (
        UPDATE channel_heads h SET last_seq = h.last_seq + (SELECT count(*) FROM numbered n
            WHERE n.channel_id = h.channel_id)
        WHERE h.channel_id = ANY(ours)),
    told AS (
        INSERT INTO events (channel_id, seq, epoch, kind, sender, client_id, fingerprint, message_seq, created_ms)
        SELECT n.channel_id, n.seq, p_epoch, 0, n.user_id, n.client_id, n.fingerprint, n.seq, n.created_ms
        FROM numbered n),
    said AS (
        INSERT INTO messages (channel_id, message_seq, message_id, user_id, content, thread_id, created_ms)
        SELECT n.channel_id, n.seq, n.message_id, n.user_id, n.content, n.thread_id, n.created_ms FROM numbered n),
    attached AS (
        INSERT INTO attachments (channel_id, message_seq, attachments)
        SELECT n.channel_id, n.seq, n.attachments FROM numbered n WHERE n.attachments IS NOT NULL)
    SELECT array_agg(coalesce(k.seq, n.seq) ORDER BY a.o), array_agg(n.o = a.o ORDER BY a.o),
        array_agg(coalesce(k.same, n.fingerprint = a.fingerprint) ORDER BY a.o)
    INTO seqs, firsts, sames
    FROM asked a LEFT JOIN known k ON k.o = a.o LEFT JOIN numbered n
    ON n.channel_id = a.channel_id AND n.user_id = a.user_id AND n.client_id = a.client_id;
    RETURN QUERY
    SELECT u.o, CASE WHEN u.seq IS NULL THEN stoa_missing(p_channel[u.o]) WHEN u.first THEN 'ok'
        WHEN u.same THEN 'duplicate' ELSE 'conflict' END, u.seq, e
    FROM unnest(seqs, firsts, sames) WITH ORDINALITY u (seq, first, same, o)
    LEFT JOIN event_rows e ON e.channel_id = p_channel[u.o] AND e.seq = u.seq AND u.first IS NOT TRUE AND u.same
    ORDER BY u.o;
END $$;

-- What was said is gone from the message and from every event that told it.
CREATE FUNCTION stoa_blank(p_channel text, p_message_seq bigint, p_now_ms bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE messages SET content = '""', deleted_ms = p_now_ms
    WHERE channel_id = p_channel AND message_seq = p_message_seq;
    UPDATE events SET content = NULL WHERE channel_id = p_channel AND seq = p_message_seq;
    UPDATE events SET content = NULL, reactions = NULL
    WHERE channel_id = p_channel AND message_seq = p_message_seq AND kind = 1;
    DELETE FROM attachments WHERE channel_id = p_channel AND message_seq = p_message_seq;
    DELETE FROM reactions WHERE channel_id = p_channel AND message_seq = p_message_seq;
$$;

-- Edits, deletes and reactions, one after the other. event: of each that is ok or a duplicate; a reaction that changes
-- nothing is a duplicate of the event that made it so, or of the head.
CREATE FUNCTION stoa_append_changes(p_epoch bigint, p_wait boolean, p_kind bigint[], p_channel text[], p_user text[],
    p_client text[], p_fingerprint bigint[], p_message text[], p_content text[], p_emoji text[], p_now_ms bigint[])
RETURNS TABLE (ord bigint, status text, at_seq bigint, event event_rows) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET lock_timeout = '4s' AS $$
DECLARE
    ours text[];
    found_event events;
    message message_rows;
    there bigint;
BEGIN
    PERFORM stoa_check_epoch(p_epoch);
    ours := stoa_lock(p_channel, p_wait);
    UPDATE channel_heads h SET last_seq = h.last_seq WHERE h.channel_id = ANY(ours);
    FOR i IN 1 .. cardinality(p_channel) LOOP
        ord := i;
        status := NULL;
        at_seq := NULL;
        event := NULL;
        IF NOT p_channel[i] = ANY(ours) THEN
            status := stoa_missing(p_channel[i]);
            RETURN NEXT;
            CONTINUE;
        END IF;
        SELECT * INTO found_event FROM events e
        WHERE e.channel_id = p_channel[i] AND e.sender = p_user[i] AND e.client_id = p_client[i];
        IF found_event.seq IS NOT NULL THEN
            status := CASE WHEN found_event.fingerprint = p_fingerprint[i] THEN 'duplicate' ELSE 'conflict' END;
            at_seq := found_event.seq;
        ELSE
            SELECT * INTO message FROM message_rows m
            WHERE m.channel_id = p_channel[i] AND m.message_id = p_message[i];
            IF message.message_seq IS NULL OR message.deleted_ms IS NOT NULL THEN
                status := 'not_found';
                RETURN NEXT;
                CONTINUE;
            END IF;
            IF p_kind[i] >= 3 THEN
                SELECT r.seq INTO there FROM reactions r WHERE r.channel_id = p_channel[i]
                AND r.message_seq = message.message_seq AND r.emoji = p_emoji[i] AND r.user_id = p_user[i];
                IF (there IS NOT NULL) = (p_kind[i] = 3) THEN
                    status := 'duplicate';
                    at_seq := coalesce(there, (SELECT h.last_seq FROM channel_heads h WHERE h.channel_id = p_channel[i]));
                END IF;
            END IF;
        END IF;
        IF status IS NULL THEN
            status := 'ok';
            UPDATE channel_heads h SET last_seq = h.last_seq + 1 WHERE h.channel_id = p_channel[i]
            RETURNING h.last_seq INTO at_seq;
            INSERT INTO events (channel_id, seq, epoch, kind, sender, client_id, fingerprint, message_seq, created_ms,
                content, emoji, reactions)
            VALUES (p_channel[i], at_seq, p_epoch, p_kind[i], p_user[i], p_client[i], p_fingerprint[i],
                message.message_seq, p_now_ms[i], CASE WHEN p_kind[i] = 1 THEN p_content[i] END, p_emoji[i],
                CASE WHEN p_kind[i] = 1 THEN message.reactions END);
            IF p_kind[i] = 1 THEN
                UPDATE events e SET content = message.content
                WHERE e.channel_id = p_channel[i] AND e.seq = message.message_seq AND e.content IS NULL;
                UPDATE messages m SET content = p_content[i], edited_ms = p_now_ms[i]
                WHERE m.channel_id = p_channel[i] AND m.message_seq = message.message_seq;
            ELSIF p_kind[i] = 2 THEN
                PERFORM stoa_blank(p_channel[i], message.message_seq, p_now_ms[i]);
            ELSIF p_kind[i] = 3 THEN
                INSERT INTO reactions VALUES (p_channel[i], message.message_seq, p_emoji[i], p_user[i], at_seq);
            ELSE
                DELETE FROM reactions r WHERE r.channel_id = p_channel[i] AND r.message_seq = message.message_seq
                AND r.emoji = p_emoji[i] AND r.user_id = p_user[i];
            END IF;
        END IF;
        IF status IN ('ok', 'duplicate') THEN
            SELECT e.* INTO event FROM event_rows e WHERE e.channel_id = p_channel[i] AND e.seq = at_seq;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

-- Heads in the order asked for, and how much of each channel a reader has not read; p_after may be empty.
CREATE FUNCTION stoa_heads(p_channel text[], p_after bigint[])
RETURNS TABLE (channel_id text, last_seq bigint, epoch text, unread bigint) LANGUAGE sql STABLE AS $$
    SELECT h.channel_id, h.last_seq, (SELECT number || '-' || incarnation FROM epochs ORDER BY number DESC LIMIT 1),
        CASE WHEN a.after IS NULL THEN 0 ELSE (SELECT count(*) FROM messages m WHERE m.channel_id = h.channel_id
            AND m.message_seq > a.after AND m.deleted_ms IS NULL) END
    FROM unnest(p_channel, p_after) WITH ORDINALITY a (channel_id, after, o)
    JOIN channel_heads h ON h.channel_id = a.channel_id ORDER BY a.o
$$;
