-- SPDX-License-Identifier: Apache-2.0
-- Heads in the order asked for, and how much of each channel a reader has not read. It looks at p_most messages of each
-- channel and at the one after them: a reader who is further behind has p_most unread. p_after may be empty.
CREATE FUNCTION stoa_heads(p_channel text[], p_after bigint[], p_most bigint)
RETURNS TABLE (channel_id text, last_seq bigint, epoch text, unread bigint) LANGUAGE sql STABLE AS $$
    SELECT h.channel_id, h.last_seq, (SELECT number || '-' || incarnation FROM epochs ORDER BY number DESC LIMIT 1),
        CASE WHEN a.after IS NULL OR a.after >= h.last_seq THEN 0 ELSE (
            SELECT CASE WHEN count(*) > p_most THEN p_most ELSE count(*) FILTER (WHERE deleted_ms IS NULL) END
            FROM (SELECT m.deleted_ms FROM messages m WHERE m.channel_id = h.channel_id AND m.message_seq > a.after
                  ORDER BY m.message_seq LIMIT p_most + 1) m) END
    FROM unnest(p_channel, p_after) WITH ORDINALITY a (channel_id, after, o)
    JOIN channel_heads h ON h.channel_id = a.channel_id ORDER BY a.o
$$;
-- Servers of before, while they are replaced.
CREATE OR REPLACE FUNCTION stoa_heads(p_channel text[], p_after bigint[])
RETURNS TABLE (channel_id text, last_seq bigint, epoch text, unread bigint) LANGUAGE sql STABLE AS $$
    SELECT * FROM stoa_heads(p_channel, p_after, 999)
$$;
