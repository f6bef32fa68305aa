-- SPDX-License-Identifier: Apache-2.0
-- The server that the official Engine.IO and Socket.IO conformance suites expect: short timers, an echo on each path.
return {
    listen = "127.0.0.1:3000",
    ping_interval_ms = 300,
    ping_timeout_ms = 200,
    connect_timeout_ms = 1000,
    max_payload_bytes = 1000000,
    origins = { "*" },
    -- The suites send a frame and then a request that must not overtake it, but their client compresses in another thread.
    deflate = false,
    scripts = { "echo.lua" },
    store = { driver = "sqlite", path = ":memory:" },
    session = { events = false }, -- WebSocket suites send floods
    -- The suites compare exact packets, without pid and offsets.
    recovery = { window_s = 0 },
}
