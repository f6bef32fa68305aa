-- SPDX-License-Identifier: Apache-2.0
-- As of a shard's log: who is a member of what must not go back unnoticed either. Here an epoch tells no reader
-- anything; it is how an old primary is known.
CREATE TABLE epochs (
    number bigint PRIMARY KEY,
    incarnation text COLLATE "C" NOT NULL,
    timeline text NOT NULL,
    system_id text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION stoa_timeline() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this server is a standby' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    RETURN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
END $$;

-- Which files hold the members: those of a restored dump, of a copied or emptied database are others.
CREATE FUNCTION stoa_place() RETURNS text LANGUAGE sql STABLE AS $$ SELECT pg_relation_filepath('channel_members') $$;
