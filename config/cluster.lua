-- SPDX-License-Identifier: Apache-2.0
-- Stoa as a fleet: PostgreSQL stores what must last, Redis carries the rest. This file has the keys that differ from one machine; all
-- others are as in stoa.lua, and docs/configuration.md describes each. docs/postgres.md is the operator's guide.

return {
    static_folder = "../build/page",
    scripts = { -- hooks run in this order: presence comes after all scripts that may refuse a connection
        "../scripts/auth.lua",
        "../scripts/rate_limit.lua",
        "../scripts/admission.lua",
        "../scripts/chat.lua",
        "../scripts/presence.lua",
        "../scripts/sharding.lua",
        "../scripts/rest.lua",
        "../scripts/notify.lua",
        "../scripts/alerts.lua",
    },
    auth = {
        mode = "development", -- believes everyone: set "jwt" or "session" before others can reach the server
    },
    store = {
        driver = "postgres",
    },

    -- Messages between nodes and workers, and what they share for a while. docs/redis.md.
    redis = {
        -- mode = "standalone", -- or "sentinel": nodes are the Sentinels; "cluster": some of its nodes
        nodes = { env "STOA_REDIS" or "127.0.0.1:6379" },
        -- master = "mymaster",
        -- user = nil,
        password = env "STOA_REDIS_PASSWORD",
        secret = env "STOA_REDIS_SECRET", -- the same on all nodes: messages over Redis without it are dropped
        -- socketio_adapter = false, -- "classic", "sharded" or "both": share rooms with Node.js Socket.IO servers
        -- pending_bytes = 16777216,
        -- reply_bytes = 67108864,
        -- command_timeout_ms = 1000,
        -- connect_timeout_ms = 2000,
    },
    node = {
        -- name = nil,
        -- region = nil,
    },

    -- One global database (users, channels, members) and any number of shards (the channels' messages). A conninfo is
    -- libpq's: "host=a,b,c" names a primary and those that may become it, or PgBouncer. The databases must exist;
    -- `stoa migrate` makes their tables. A replica for some reads only is
    -- { conninfo = "host=pg-0c", purposes = { "history" } }: "history", "sync" or "disaster_recovery" (docs/postgres.md).
    postgres = {
        global = env "STOA_GLOBAL" or "host=127.0.0.1 dbname=stoa_global user=stoa",
        shards = {
            { write = env "STOA_SHARD_0" or "host=127.0.0.1 dbname=stoa_0 user=stoa", read = {} },
            { write = env "STOA_SHARD_1" or "host=127.0.0.1 dbname=stoa_1 user=stoa", read = {} },
            { write = env "STOA_SHARD_2" or "host=127.0.0.1 dbname=stoa_2 user=stoa", read = {} },
        },
        -- durability = "primary", -- "quorum": acknowledged messages are on a standby too
        -- gather_ms = "auto", -- how long an append waits for others of its shard; "auto": when commits are slow or many; 0: not at all
        -- For this machine: divided among its workers and the databases.
        pool = {
            -- write = 50,
            -- read = 100,
            -- min = 10,
            -- reserve = 25,
            -- reserve_after_ms = 5000,
            -- budget = 150,
            -- idle_s = 600,
            -- lifetime_s = 3600,
            -- connect_timeout_ms = 5000,
            -- query_timeout_ms = 5000,
            -- wait_ms = 2000,
        },
    },
}
