-- SPDX-License-Identifier: Apache-2.0
-- The epoch in force, as stoa_epoch() of 001 told it; one that begins is above p_floor, the highest that anyone has met:
-- a restored backup, or a second standby that is promoted, is not taken for an old primary that has come back.
CREATE FUNCTION stoa_epoch(p_floor bigint) RETURNS SETOF epochs LANGUAGE plpgsql AS $$
DECLARE
    latest epochs;
    system_now text := (SELECT system_identifier::text FROM pg_control_system());
BEGIN
    SELECT * INTO latest FROM epochs ORDER BY number DESC LIMIT 1;
    IF latest.number IS NULL OR latest.timeline <> stoa_timeline() OR latest.system_id <> system_now THEN
        INSERT INTO epochs (number, incarnation, timeline, system_id)
        VALUES (greatest(latest.number, p_floor, 0) + 1, left(md5(gen_random_uuid()::text), 8), stoa_timeline(), system_now)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN QUERY SELECT * FROM epochs ORDER BY number DESC LIMIT 1;
END $$;

-- Servers of before, while they are replaced.
CREATE OR REPLACE FUNCTION stoa_epoch() RETURNS SETOF epochs LANGUAGE sql AS $$ SELECT * FROM stoa_epoch(0) $$;
