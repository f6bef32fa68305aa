-- SPDX-License-Identifier: Apache-2.0
-- Stoa on one machine: one worker, SQLite, no other service. Each key is listed with its default, commented out;
-- docs/configuration.md describes each. Relative paths are relative to this folder. Keep secrets in the environment:
-- env "NAME".

return {
    -- The server: where it listens, as which user it runs

    -- listen = "127.0.0.1:3000",
    -- workers = 1,
    -- start_timeout_s = 300,
    -- user = nil,
    -- control = "stoa.sock",
    -- log_level = "info",
    -- log_file = nil,

    -- Clients

    -- path = "/socket.io/",
    -- plain_path = "/ws",
    -- transports = { "websocket", "polling" },
    -- origins = { "self" },
    -- hosts = {},
    -- origin_required = false,
    -- deflate = true,
    -- ping_interval_ms = 25000,
    -- ping_timeout_ms = 20000,
    -- connect_timeout_ms = 45000,
    -- upgrade_timeout_ms = 10000,
    -- max_payload_bytes = 1000000,
    static_folder = "../build/page",

    -- Policies

    scripts = { -- hooks run in this order: presence comes after all scripts that may refuse a connection
        "../scripts/auth.lua",
        "../scripts/rate_limit.lua",
        "../scripts/admission.lua",
        "../scripts/chat.lua",
        "../scripts/presence.lua",
        "../scripts/sharding.lua",
        "../scripts/rest.lua",
        "../scripts/notify.lua",
        "../scripts/alerts.lua",
    },
    auth = {
        mode = "development", -- believes everyone: set "jwt" or "session" before others can reach the server
        -- algorithm = nil,
        -- secret = nil,
        -- public_key = nil,
        -- public_key_file = nil,
        -- jwks_file = nil,
        -- jwks_url = nil, -- for example "https://login.uni.example/realms/campus/protocol/openid-connect/certs"
        -- jwks_ca = nil,
        -- jwks_refresh_s = 600,
        -- jwks_pause_s = 10,
        -- jwks_max_age_s = 86400,
        -- kid = nil,
        -- user_claim = "sub",
        -- claims = {}, -- for example { "realm_access.roles" }: socket.user.claims["realm_access.roles"]
        -- issuer = nil,
        -- audience = nil,
        -- leeway_s = 30,
    },
    -- api_keys = {},
    -- app = {},

    -- Storage and TLS

    store = {
        -- driver = "sqlite",
        -- path = "stoa.db",
    },
    tls = {
        -- certificate = nil,
        -- key = nil,
        -- certificates = {}, -- for other host names: PEM files with certificate, chain and key
        -- client_ca = nil,
        -- hsts_s = 0, -- for example 31536000
        -- kernel = false,
    },

    -- Limits. A rate is { count, seconds }; false: no limit.

    limits = {
        -- user_messages = { 30, 60 },
        -- channel_messages = { 100, 60 },
        -- global_messages = false, -- for example { 10000, 60 }
        -- uploads = { 10, 300 },
        -- connects = { 10, 60 },
        -- connections_per_user = 5,
        -- connections = 10000,
        -- connections_per_address = 2000, -- a whole school may have one address
        -- accepts = false, -- for example { 500, 1 }
        -- accepts_per_address = false, -- for example { 600, 60 }
        -- ipv6_prefix = 64, -- addresses of one such network count as one
        -- address_exceptions = {}, -- for example { "192.0.2.0/24" }: a campus
        -- channel_users = 10000,
        -- state_bytes = 16777216,
        -- inbound_bytes = 67108864,
        -- outbound_bytes = 268435456,
    },
    recovery = {
        -- window_s = 120,
        -- max_events = 1000,
        -- max_bytes = 1048576,
        -- offer = "asked", -- the query recovery=1, or auth.recovery; or "all", "none"
    },
    fanout = {
        -- window_ms = "auto",
        -- window_max_ms = 15,
    },
    session = {
        -- outbox_bytes = 1048576,
        -- slow_close_ms = 30000,
        -- inbox_bytes = 1048576,
        -- events = { 3000, 10 },
        -- namespaces = 16,
        -- rooms = 1024,
    },
    cache = {
        -- max_bytes = 67108864,
    },
    presence = {
        -- grace_ms = 5000,
        -- tick_ms = 200,
        -- names = 500,
    },
    net = {
        -- header_timeout_ms = 10000,
        -- body_timeout_ms = 10000,
        -- keepalive_ms = 75000,
        -- head_bytes = 16384,
        -- backlog = 1024,
        -- trusted_proxies = {}, -- for example { "127.0.0.1", "10.0.0.0/8" }
        -- proxy_protocol = false,
    },
    lua = {
        -- memory_bytes = 67108864,
        -- instructions = 10000000,
        -- wall_ms = 200,
        -- tasks = 10000,
        -- jit = false,
        -- open = false,
    },

    -- Operation

    metrics = {
        -- listen = nil, -- for example "127.0.0.1:9100"
        -- token = nil,
    },
    drain = {
        -- timeout_s = 10,
        -- notice_s = 0,
        -- reconnect_in_ms = 1000,
        -- message = "The server is restarting.",
    },
}
