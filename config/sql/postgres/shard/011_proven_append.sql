-- SPDX-License-Identifier: Apache-2.0
-- stoa_add_messages and stoa_add_changes: as stoa_append_messages and stoa_append_changes, for a caller who has proven
-- the log with stoa_advance() in the same statement, and passes the epoch's number that it returned: nothing is looked
-- up twice. Change them together, until servers that call the latter are gone.
DO $$
DECLARE
    what text;
BEGIN
    FOREACH what IN ARRAY ARRAY['messages', 'changes'] LOOP
        EXECUTE replace(replace(pg_get_functiondef(('stoa_append_' || what)::regproc),
            'stoa_append_' || what || '(', 'stoa_add_' || what || '('),
            'PERFORM stoa_check_epoch(p_epoch);', '');
    END LOOP;
END $$;

-- For servers of before, while they are replaced: they know an epoch by its number alone. What they append moves the log
-- on, too.
CREATE OR REPLACE FUNCTION stoa_epoch(p_floor bigint) RETURNS SETOF epochs LANGUAGE sql AS
    $$ SELECT * FROM stoa_epoch(p_floor, NULL, 0) $$;

CREATE OR REPLACE FUNCTION stoa_check_epoch(p_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    latest epochs;
BEGIN
    SELECT * INTO latest FROM epochs ORDER BY number DESC LIMIT 1;
    IF latest.number IS DISTINCT FROM p_epoch OR latest.timeline <> stoa_timeline()
        OR latest.place IS DISTINCT FROM stoa_place() THEN
        RAISE EXCEPTION 'stale epoch' USING ERRCODE = 'CH001';
    END IF;
    PERFORM stoa_move_on();
END $$;
