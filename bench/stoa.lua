-- SPDX-License-Identifier: Apache-2.0
-- The server of the benchmarks: rooms to which anyone may publish, like those of the peers; with BENCH_CHAT the chat
-- without its rate limits.
local chat = env "BENCH_CHAT"
local certificate = env "BENCH_CERTIFICATE"

return {
    listen = "127.0.0.1:0",
    log_level = "warning",
    scripts = chat and { "../scripts/auth.lua", "../scripts/chat.lua", "../scripts/presence.lua" }
        or { "room.lua", "hook.lua" },
    limits = {
        connections = 19900,
        connections_per_address = false,
        connections_per_user = false,
        connects = false,
        user_messages = false,
        channel_messages = false,
    },
    session = { events = false },
    fanout = { window_ms = tonumber(env "BENCH_WINDOW_MS" or "") or "auto" },
    net = { backlog = 4096 },
    store = { driver = "sqlite", path = env "BENCH_STORE" },
    tls = { certificate = certificate, key = certificate },
    control = "",
    auth = { mode = "development" },
}
