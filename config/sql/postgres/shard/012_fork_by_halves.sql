-- SPDX-License-Identifier: Apache-2.0
-- The last number of a channel that is of an epoch up to p_epoch; 0: none above the floor. Numbers have no gaps, and who
-- has the higher one is of no earlier epoch: it is found by halves, however much came after it.
CREATE FUNCTION stoa_last_of(p_channel text, p_epoch bigint, p_floor bigint, p_head bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    low bigint := p_floor;
    high bigint := p_head;
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT e.epoch <= p_epoch FROM events e WHERE e.channel_id = p_channel AND e.seq = middle) THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN CASE WHEN low > p_floor THEN low ELSE 0 END;
END $$;

CREATE OR REPLACE FUNCTION stoa_cursor(p_channel text, p_seq bigint, p_epoch text)
RETURNS TABLE (head bigint, floor bigint, epoch text, fork bigint, after bigint) LANGUAGE plpgsql STABLE ROWS 1 AS $$
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
            fork := stoa_last_of(p_channel, reader, floor, head);
            IF fork >= p_seq THEN fork := -1; END IF; -- a cursor of a later epoch, in what came before it
        END IF;
    END IF;
    after := CASE WHEN fork >= 0 THEN fork ELSE p_seq END;
    after := greatest(after, floor);
    RETURN NEXT;
END $$;
