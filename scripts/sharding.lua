-- SPDX-License-Identifier: Apache-2.0
-- Which shard stores a channel: its id is hashed into one of 4,096 buckets (the number never changes), and each bucket
-- belongs to one shard. A map that moves a bucket with channels to another shard is refused.
local stoa = require "stoa"

local BUCKETS = 4096

-- Buckets in n equal ranges.
local function even(n)
    local ranges = {}
    for shard = 0, n - 1 do
        ranges[shard + 1] = { math.floor(shard * BUCKETS / n), math.floor((shard + 1) * BUCKETS / n) - 1, shard }
    end
    return { shards = n, ranges = ranges }
end

-- SQLite is one shard; PostgreSQL has the shards of the configuration.
local embedded = stoa.config.store.driver ~= "postgres"
local count = embedded and 1 or #stoa.config.postgres.shards
stoa.shards(even(count))

-- An example with three shards, by the first byte of the hash: 0x00–0x55, 0x56–0xAA, 0xAB–0xFF. Sixteen buckets share a
-- first byte. Do not use the first byte of the id: ids that begin with the time would all be on one shard.
--
--     stoa.shards { shards = 3, ranges = { { 0x000, 0x55f, 0 }, { 0x560, 0xaaf, 1 }, { 0xab0, 0xfff, 2 } } }
--
-- An example with a function, by the first two hexadecimal digits of the id; all other ids are on the last shard. The
-- function must always return the same shard for an id:
--
--     stoa.shards { shards = 3, locate = function(channel_id)
--         local byte = tonumber(channel_id:match("^%x%x") or "ff", 16)
--         return byte <= 0x55 and 0 or byte <= 0xaa and 1 or 2
--     end }

stoa.selftest("every channel has a bucket and a shard", function()
    for _, channel_id in ipairs { "lobby", "a", "0", ("x"):rep(64), "018f3c2e-7c1a-7000-8000-000000000000" } do
        local bucket, shard = stoa.bucket(channel_id)
        assert(bucket >= 0 and bucket < BUCKETS and shard >= 0 and shard < count, channel_id)
        assert(stoa.bucket(channel_id) == bucket, channel_id)
    end
end)

stoa.selftest("even ranges cover each bucket once", function()
    for _, n in ipairs { 1, 2, 3, 16, 4095 } do
        local next_bucket = 0
        for _, range in ipairs(even(n).ranges) do
            assert(range[1] == next_bucket and range[2] >= range[1], n)
            next_bucket = range[2] + 1
        end
        assert(next_bucket == BUCKETS, n)
    end
end)
