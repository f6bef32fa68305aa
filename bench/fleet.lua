-- SPDX-License-Identifier: Apache-2.0
-- The server of `./dev bench fleet`: like stoa.lua, with PostgreSQL, Redis and many workers. fleet.py sets the environment.
local function list(name)
    local items = {}
    for item in env(name):gmatch("[^;]+") do items[#items + 1] = item end
    return items
end

local shards = {}
for i, conninfo in ipairs(list "BENCH_SHARDS") do shards[i] = { write = conninfo } end

return {
    listen = "127.0.0.1:0",
    workers = tonumber(env "BENCH_WORKERS" or "") or "auto",
    log_level = "warning",
    scripts = { "../scripts/auth.lua", "../scripts/chat.lua", "../scripts/presence.lua", "room.lua" },
    limits = {
        connections = tonumber(env "BENCH_CONNECTIONS"),
        connections_per_address = false,
        connections_per_user = false,
        connects = false,
        user_messages = false,
        channel_messages = false,
    },
    session = { events = false },
    net = { backlog = 4096 },
    store = { driver = "postgres" },
    postgres = { global = env "BENCH_GLOBAL", shards = shards, gather_ms = tonumber(env "BENCH_GATHER" or "") or "auto", pool = { write = 24, min = 2 } },
    redis = { mode = "cluster", nodes = list "BENCH_REDIS" },
    node = { name = env "BENCH_NODE" },
    control = "",
    auth = { mode = "development" },
}
