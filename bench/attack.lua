-- SPDX-License-Identifier: Apache-2.0
-- The server under attack: the shipped policies and limits, users by token.
return {
    listen = "127.0.0.1:0",
    log_level = "warning",
    static_folder = env "BENCH_FILES",
    scripts = {
        "../scripts/auth.lua",
        "../scripts/rate_limit.lua",
        "../scripts/admission.lua",
        "../scripts/chat.lua",
        "../scripts/presence.lua",
        "../scripts/rest.lua",
    },
    auth = { mode = "jwt", secret = env "BENCH_SECRET" },
    api_keys = { env "BENCH_SECRET" },
    store = { driver = "sqlite", path = env "BENCH_STORE" },
    control = "",
}
