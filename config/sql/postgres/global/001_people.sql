-- SPDX-License-Identifier: Apache-2.0
-- Users, channels, members, sessions, audit: what is not a channel's log. Text is compared byte by byte.
CREATE TABLE users (
    user_id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    avatar text,
    last_seen_ms bigint
);
CREATE TABLE channels (
    channel_id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    visibility text NOT NULL,
    created_ms bigint NOT NULL,
    shard smallint NOT NULL -- where its log was begun, and stays
);
-- Which buckets hold channels, and on which shard; one of them as a specimen. A few rows a bucket at most: a new shard
-- map is checked against it.
CREATE TABLE shard_buckets (
    bucket smallint NOT NULL,
    shard smallint NOT NULL,
    channel_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (bucket, shard)
);
CREATE TABLE channel_members (
    channel_id text COLLATE "C" NOT NULL REFERENCES channels,
    user_id text COLLATE "C" NOT NULL,
    role text NOT NULL,
    joined_ms bigint NOT NULL,
    read_seq bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (channel_id, user_id)
) WITH (fillfactor = 80);
CREATE INDEX channel_members_user ON channel_members (user_id);
CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY, -- SHA-256: a stolen database opens no session
    user_id text COLLATE "C" NOT NULL,
    expires_ms bigint NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expires_ms);
CREATE TABLE audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms bigint NOT NULL,
    actor text COLLATE "C",
    action text NOT NULL,
    channel_id text COLLATE "C",
    detail text NOT NULL
);
CREATE INDEX audit_channel ON audit (channel_id, audit_id);

-- Creates or changes. No row: the channel's log is on another shard than the caller's map says.
CREATE FUNCTION stoa_channel_put(p_channel text, p_name text, p_visibility text, p_now_ms bigint, p_bucket bigint,
    p_shard bigint) RETURNS SETOF channels LANGUAGE sql AS $$
    WITH put AS (
        INSERT INTO channels AS c (channel_id, name, visibility, created_ms, shard)
        VALUES (p_channel, coalesce(p_name, p_channel), coalesce(p_visibility, 'public'), p_now_ms, p_shard)
        ON CONFLICT (channel_id) DO UPDATE
        SET name = coalesce(p_name, c.name), visibility = coalesce(p_visibility, c.visibility)
        WHERE c.shard = p_shard
        RETURNING c.*),
    held AS (
        INSERT INTO shard_buckets (bucket, shard, channel_id) SELECT p_bucket, p_shard, p_channel FROM put
        ON CONFLICT DO NOTHING)
    SELECT * FROM put
$$;
