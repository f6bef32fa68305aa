-- SPDX-License-Identifier: Apache-2.0
-- The server of fuzz_session: the shipped scripts with narrow bounds, so that a short input reaches them.
local shipped = { "auth", "rate_limit", "admission", "chat", "presence", "sharding", "rest", "notify", "alerts" }
local scripts = { "endpoints.lua" }
for i, name in ipairs(shipped) do scripts[i + 1] = "../../../scripts/" .. name .. ".lua" end

return {
    scripts = scripts,
    store = { path = ":memory:" },
    control = "",
    log_level = "error",
    auth = { mode = "development" },
    api_keys = { "key" },
    ping_interval_ms = 2000,
    ping_timeout_ms = 1000,
    connect_timeout_ms = 3000,
    max_payload_bytes = 4096,
    recovery = { window_s = 5, max_events = 8, max_bytes = 4096 },
    session = { events = { 100, 1 }, inbox_bytes = 1024, outbox_bytes = 16384, slow_close_ms = 3000, namespaces = 2, rooms = 4 },
    limits = {
        user_messages = { 20, 1 },
        channel_messages = false,
        connects = false,
        connections_per_user = 3,
        inbound_bytes = 65536,
        outbound_bytes = 65536,
    },
}
