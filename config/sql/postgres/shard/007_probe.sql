-- SPDX-License-Identifier: Apache-2.0
-- A write that is in no table and under no lock: its commit is flushed, to the standby too, as an append's is, and probes
-- of any number of workers do not wait for each other. Refused as an append would be. The table "probe", whose only row
-- they waited for, is there for servers of before.
CREATE FUNCTION stoa_touch() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stoa_timeline();
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'this server takes no writes' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    PERFORM pg_logical_emit_message(true, 'stoa', 'probe');
END $$;
