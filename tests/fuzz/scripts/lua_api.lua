-- SPDX-License-Identifier: Apache-2.0
-- The server of fuzz_lua_api. app.program: the input in hexadecimal; app.names: what to call.
return {
    scripts = { "lua_api_calls.lua" },
    store = { path = ":memory:" },
    control = "",
    log_level = "error",
    ping_interval_ms = 2000,
    ping_timeout_ms = 1000,
    connect_timeout_ms = 3000,
    recovery = { window_s = 5, max_events = 8, max_bytes = 65536 },
    session = { outbox_bytes = 65536, slow_close_ms = 3000 },
    lua = { memory_bytes = 8388608, instructions = 1000000, wall_ms = 1000, tasks = 100 },
    app = {},
}
