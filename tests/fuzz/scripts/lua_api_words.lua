-- SPDX-License-Identifier: Apache-2.0
-- What lua_api_calls.lua puts together to arguments.
local words = {}

words.numbers = {
    0, 1, -1, 2, 10, 0.001, 1.5, 255, 256, 65536, 2 ^ 31 - 1, 2 ^ 31, -2 ^ 31, 2 ^ 32, 1e9, 2 ^ 53, 2 ^ 53 + 2, 2 ^ 63,
    -2 ^ 63, 2 ^ 64, 1e308, 1 / 0, -1 / 0, 0 / 0, -0.0,
}

words.words = {
    "", "lobby", "alice", "/admin", "/", "run", "connect", "send", "GET", "/run", "message", "edit", "owner", "HS256",
    "http://127.0.0.1:1/", "ws://127.0.0.1:1/", "127.0.0.1", "::1", "1-0", '{"a":[1,{"b":null}]}', "[[[[", "a\0b",
    "\255\254", "\n", "%", ("x"):rep(64), ("x"):rep(65), ("x"):rep(256), ("x"):rep(70000), ("\\"):rep(1000),
}

words.fields = {
    "id", "name", "kind", "content", "userId", "clientId", "messageId", "threadId", "channelId", "attachments", "emoji",
    "seq", "epoch", "limit", "before", "after", "raw", "head", "timeout", "timeout_ms", "timeout_s", "url", "method",
    "headers", "body", "max_bytes", "message", "open", "close", "protocols", "deflate", "ping_interval_ms", "algorithm",
    "secret", "public_key", "jwks_file", "issuer", "audience", "leeway_s", "exp", "sub", "ttl", "load", "shared", "shards",
    "ranges", "locate", "role", "visibility", "avatar", "status", "stay_away", "session", "text", "ca", "_placeholder", "num",
}

words.metamethods = { "__index", "__newindex", "__call", "__tostring", "__len", "__eq", "__lt", "__concat", "__gc", "__mode" }

return words
