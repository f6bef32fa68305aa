-- SPDX-License-Identifier: Apache-2.0
-- The server under faults: the chat without its rate limits, so that the load is what the test says.
return {
    listen = "127.0.0.1:0",
    log_level = "info",
    ping_interval_ms = 2000,
    ping_timeout_ms = 2000,
    scripts = { "../../scripts/auth.lua", "../../scripts/chat.lua", "../../scripts/presence.lua", "../../scripts/alerts.lua" },
    store = { driver = "sqlite", path = env "STOA_TEST_DB" },
    control = "",
    auth = { mode = "development" },
    drain = { timeout_s = 5 },
}
