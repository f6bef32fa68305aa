-- SPDX-License-Identifier: Apache-2.0
-- May the user add a reaction to the message? The bounds are those of core/store/store.h.
CREATE FUNCTION stoa_may_react(p_channel text, p_message_seq bigint, p_user text) RETURNS boolean LANGUAGE sql AS $$
    SELECT count(*) < 1000 AND count(*) FILTER (WHERE user_id = p_user) < 20
    FROM reactions WHERE channel_id = p_channel AND message_seq = p_message_seq
$$;

-- A reaction beyond is too_large. An edit tells and keeps what was edited, not the reactions of its time: one of them
-- could make each edit as large as all of them.
DO $$
DECLARE
    what regproc;
BEGIN
    FOREACH what IN ARRAY ARRAY['stoa_append_changes', 'stoa_add_changes']::regproc[] LOOP
        EXECUTE replace(replace(pg_get_functiondef(what),
            'CASE WHEN p_kind[i] = 1 THEN message.reactions END', 'NULL'),
            'IF status IS NULL THEN',
            'IF status IS NULL AND p_kind[i] = 3
                AND NOT stoa_may_react(p_channel[i], message.message_seq, p_user[i]) THEN
            status := ''too_large'';
        ELSIF status IS NULL THEN');
    END LOOP;
END $$;
