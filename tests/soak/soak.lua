-- SPDX-License-Identifier: Apache-2.0
-- The server of the soak: the chat without limits that would refuse the same users again and again, and with a recovery
-- window that ends within the run.
return {
    listen = "127.0.0.1:0",
    log_level = "warning",
    scripts = { "../../scripts/auth.lua", "../../scripts/chat.lua", "../../scripts/presence.lua" },
    auth = { mode = "development" },
    limits = { connections_per_user = false, connects = false },
    recovery = { window_s = 1 },
    presence = { grace_ms = 100 },
    store = { path = ":memory:" },
    control = "",
}
