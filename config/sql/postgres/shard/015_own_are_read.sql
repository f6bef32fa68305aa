-- SPDX-License-Identifier: Apache-2.0
-- Heads in the order asked for; and of each channel, for a reader who has read up to p_after: how many messages of others
-- they have not read, and up to where they have, what they said themselves counted as read. It looks at the newest p_most
-- messages behind p_after and at one more: a reader who is further behind has read no more than p_after. p_after may be
-- empty.
CREATE FUNCTION stoa_heads(p_channel text[], p_after bigint[], p_most bigint, p_reader text)
RETURNS TABLE (channel_id text, last_seq bigint, epoch text, unread bigint, read_seq bigint) LANGUAGE sql STABLE AS $$
    SELECT h.channel_id, h.last_seq, (SELECT number || '-' || incarnation FROM epochs ORDER BY number DESC LIMIT 1),
        least(coalesce(l.unread, 0), p_most),
        CASE WHEN l.looked > 0 AND l.looked <= p_most THEN coalesce(l.first_unread - 1, l.newest) ELSE a.after END
    FROM unnest(p_channel, p_after) WITH ORDINALITY a (channel_id, after, o)
    JOIN channel_heads h ON h.channel_id = a.channel_id
    LEFT JOIN LATERAL (
        SELECT count(*) AS looked, count(*) FILTER (WHERE of_others) AS unread,
            min(message_seq) FILTER (WHERE of_others) AS first_unread, max(message_seq) AS newest
        FROM (SELECT m.message_seq, m.deleted_ms IS NULL AND m.user_id <> p_reader AS of_others FROM messages m
              WHERE m.channel_id = h.channel_id AND m.message_seq > a.after
              ORDER BY m.message_seq DESC LIMIT p_most + 1) m) l ON a.after < h.last_seq
    ORDER BY a.o
$$;
