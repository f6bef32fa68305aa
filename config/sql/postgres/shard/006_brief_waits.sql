-- SPDX-License-Identifier: Apache-2.0
-- Locks the heads of the channels until the commit: those that nobody holds. If all are held, it waits for the first one
-- when p_wait says so, as long as the caller's lock_timeout allows. Whoever waits holds nothing: no deadlock. Returns the
-- channels whose heads are ours now.
CREATE OR REPLACE FUNCTION stoa_lock(p_channels text[], p_wait boolean) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    ours text[];
BEGIN
    ours := (SELECT coalesce(array_agg(channel_id), '{}') FROM (SELECT channel_id FROM channel_heads
        WHERE channel_id = ANY(p_channels) ORDER BY channel_id FOR UPDATE SKIP LOCKED) h);
    IF p_wait AND ours = '{}' THEN
        ours := (SELECT coalesce(array_agg(channel_id), '{}') FROM (SELECT channel_id FROM channel_heads
            WHERE channel_id = p_channels[1] FOR UPDATE) h);
    END IF;
    RETURN ours;
END $$;
-- Long enough for the commits of many workers, short enough that a head which somebody keeps holds up nobody else.
ALTER FUNCTION stoa_append_messages(bigint, boolean, text[], text[], text[], bigint[], text[], text[], text[], text[],
    bigint[]) SET lock_timeout = '250ms';
ALTER FUNCTION stoa_append_changes(bigint, boolean, bigint[], text[], text[], text[], bigint[], text[], text[], text[],
    bigint[]) SET lock_timeout = '250ms';
