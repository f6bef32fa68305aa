-- The server of the measurements: the chat without its rate limits, and rooms that anyone may shout into.
local certificate = env "BENCH_CERTIFICATE"

return {
    listen = "127.0.0.1:0",
    log_level = "warning",
    scripts = {
        "../scripts/auth.lua",
        "../scripts/chat.lua",
        "../scripts/presence.lua",
        "room.lua",
        "hook.lua",
    },
    limits = {
        connections = 19900,
        connections_per_user = false,
        connects = false,
        user_messages = false,
        channel_messages = false,
    },
    fanout = { window_ms = tonumber(env "BENCH_WINDOW_MS" or "") or "auto" },
    net = { backlog = 4096 },
    store = { driver = "sqlite", path = env "BENCH_STORE" },
    tls = { certificate = certificate, key = certificate },
    control = "",
    auth = { mode = "development" },
}
