-- SPDX-License-Identifier: Apache-2.0
-- A node of idle.py.
return {
    listen = "127.0.0.1:0",
    log_level = "warning",
    scripts = { "../scripts/auth.lua", "room.lua" },
    limits = { connections_per_user = false, connects = false },
    store = { driver = "sqlite", path = env "BENCH_STORE" },
    redis = { nodes = { env "BENCH_REDIS" } },
    node = { name = env "BENCH_NODE" },
    control = "",
    auth = { mode = "development" },
}
