-- SPDX-License-Identifier: Apache-2.0
-- Which files hold the log: those of a restored dump, of a copied or emptied database are others. (Rewriting the table,
-- as VACUUM FULL does, makes other files too; what comes of it is an epoch that nobody needed.)
CREATE FUNCTION stoa_place() RETURNS text LANGUAGE sql STABLE AS $$ SELECT pg_relation_filepath('channel_heads') $$;
