-- The server of the measurements: the chat without its rate limits.
return {
    listen = "127.0.0.1:0",
    log_level = "warning",
    scripts = { "../scripts/auth.lua", "../scripts/chat.lua", "../scripts/presence.lua", "hook.lua" },
    limits = { connections = 19000, connections_per_user = false, connects = false },
    store = { driver = "sqlite", path = env "STOA_BENCH_DB" },
    control = "",
    auth = { mode = "development" },
}
