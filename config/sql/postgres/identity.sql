-- SPDX-License-Identifier: Apache-2.0
-- Which log this is and how far it has got, which server it is on, and whether that server keeps what it is told. Both
-- kinds of databases have this: it is a migration of each.

-- Of the files, as stoa_place() tells it. NULL: not known, so whoever asks next begins another epoch.
ALTER TABLE epochs ADD COLUMN place text;

-- Grows with each change. A sequence: nobody waits for it, and it goes back only together with the files.
CREATE SEQUENCE log_position;

-- By more than the 32 that PostgreSQL logs a sequence ahead: files that were copied while the server ran come back ahead
-- by as much, and behind the next change all the same.
CREATE FUNCTION stoa_move_on() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('log_position') FROM generate_series(1, 33);
END $$;

-- How far the other databases have got, as someone has met them: what Redis forgets is here. "global", or a shard's number.
CREATE TABLE floors (
    name text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL,
    incarnation text COLLATE "C" NOT NULL,
    reached bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The epoch in force. One begins if these are other files, on another server or timeline, than those of the last; and if
-- they have gone back: the last is the floor that someone has met, of another incarnation or further on than here. It
-- is above the floor: a restored backup, or a second standby that is promoted, is not taken for an old primary that has
-- come back. Of two workers that see it at once, one begins it. Not on a standby.
CREATE FUNCTION stoa_epoch(p_floor bigint, p_incarnation text, p_reached bigint) RETURNS SETOF epochs
LANGUAGE plpgsql AS $$
DECLARE
    latest epochs;
    system_now text := (SELECT system_identifier::text FROM pg_control_system());
BEGIN
    SELECT * INTO latest FROM epochs ORDER BY number DESC LIMIT 1;
    IF latest.number IS NULL OR latest.timeline <> stoa_timeline() OR latest.system_id <> system_now
        OR latest.place IS DISTINCT FROM stoa_place() OR latest.number = p_floor
        AND (latest.incarnation <> p_incarnation OR (SELECT last_value FROM log_position) < p_reached) THEN
        INSERT INTO epochs (number, incarnation, timeline, system_id, place)
        VALUES (greatest(latest.number, p_floor, 0) + 1, left(md5(gen_random_uuid()::text), 8), stoa_timeline(),
            system_now, stoa_place())
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN QUERY SELECT * FROM epochs ORDER BY number DESC LIMIT 1;
END $$;

-- Why this server keeps less than it should; NULL: it does not. p_durability: as postgres.durability has it.
CREATE FUNCTION stoa_lacks(p_durability text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN p_durability = 'relaxed' THEN NULL
        WHEN current_setting('fsync') = 'off' THEN 'fsync is off'
        WHEN current_setting('full_page_writes') = 'off' THEN 'full_page_writes is off'
        WHEN current_setting('synchronous_commit') = 'off' THEN 'synchronous_commit is off'
        WHEN p_durability = 'primary' THEN NULL
        WHEN current_setting('synchronous_standby_names') = '' THEN 'synchronous_standby_names is empty'
        WHEN current_setting('synchronous_commit') IN ('local', 'remote_write')
            THEN 'synchronous_commit does not wait for a standby''s disk'
    END
$$;

-- CH001: this is not the log whose epoch the caller knows, or it has gone back behind what they have met of it, or the
-- epoch is over. Returns the epoch's number.
CREATE FUNCTION stoa_prove(p_epoch text, p_reached bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    latest record;
BEGIN
    SELECT e.number, e.incarnation, e.timeline, e.place, p.last_value INTO latest FROM epochs e, log_position p
    ORDER BY e.number DESC LIMIT 1;
    IF latest.number || '-' || latest.incarnation IS DISTINCT FROM p_epoch OR latest.timeline <> stoa_timeline()
        OR latest.place IS DISTINCT FROM stoa_place() OR latest.last_value < p_reached THEN
        RAISE EXCEPTION 'stale epoch' USING ERRCODE = 'CH001';
    END IF;
    RETURN latest.number;
END $$;

-- Before a change: as stoa_prove, and CH002: this server keeps less than it should, its message says why. Then
-- currval('log_position') is how far the log is with that change.
CREATE FUNCTION stoa_advance(p_epoch text, p_reached bigint, p_durability text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    epoch bigint := stoa_prove(p_epoch, p_reached);
    lacks text := stoa_lacks(p_durability);
BEGIN
    IF lacks IS NOT NULL THEN RAISE EXCEPTION '%', lacks USING ERRCODE = 'CH002'; END IF;
    PERFORM stoa_move_on();
    RETURN epoch;
END $$;

-- Notes how far other databases have got, and tells what is known of all of them. What is known already costs no write,
-- and an epoch that grows costs one a second, however many workers tell of it. (A clock that was put back ends no second.)
-- CH003: this database is another fleet's. p_fleet: the caller's; NULL: they do not know it.
CREATE FUNCTION stoa_floors(p_fleet text, p_name text[], p_number bigint[], p_incarnation text[], p_reached bigint[])
RETURNS SETOF floors LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM stamp WHERE fleet <> p_fleet) THEN
        RAISE EXCEPTION 'another fleet''s' USING ERRCODE = 'CH003';
    END IF;
    INSERT INTO floors AS f (name, number, incarnation, reached)
    SELECT t.name, t.number, t.incarnation, t.reached
    FROM unnest(p_name, p_number, p_incarnation, p_reached) t (name, number, incarnation, reached)
    WHERE NOT EXISTS (SELECT FROM floors k WHERE k.name = t.name AND ((k.number, k.reached) >= (t.number, t.reached)
        OR k.number = t.number AND clock_timestamp() BETWEEN k.at AND k.at + interval '1 second'))
    ORDER BY t.name
    ON CONFLICT (name) DO UPDATE SET number = excluded.number, incarnation = excluded.incarnation,
        reached = excluded.reached, at = excluded.at
    WHERE (f.number, f.reached) < (excluded.number, excluded.reached);
    RETURN QUERY SELECT * FROM floors;
END $$;

-- What cannot be seen: everything was brought back at once. Another epoch, above p_floor.
CREATE FUNCTION stoa_begin_epoch(p_floor bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE epochs SET place = NULL WHERE number = (SELECT max(number) FROM epochs);
    RETURN (SELECT number || '-' || incarnation FROM stoa_epoch(p_floor, NULL, 0));
END $$;

-- Whose database this is: of which fleet, "global" or "shard", and which one of its shards. A copy has it too.
CREATE TABLE stamp (
    fleet text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    number bigint NOT NULL, -- of the global one: 0
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only)
);
