-- SPDX-License-Identifier: Apache-2.0
-- The echo application of the conformance suites.
local stoa = require "stoa"

for _, name in ipairs { "/", "/custom" } do
    local namespace = stoa.of(name)
    namespace.hook("connect", function(socket)
        socket:emit("auth", socket.handshake.auth)
    end)
    namespace.on("message", function(socket, ...)
        socket:emit("message-back", ...)
    end)
    namespace.on("message-with-ack", function(_, ...)
        return ...
    end)
end

stoa.engine("/engine.io/", {
    message = function(connection, data)
        connection:send(data)
    end,
})

-- For WebSocket suites: allows messages as large, compressed and slow as theirs.
stoa.websocket("/echo", {
    deflate = true,
    max_bytes = 16 * 1024 * 1024,
    ping_interval_ms = 60000,
    ping_timeout_ms = 60000,
    message = function(connection, data)
        connection:send(data)
    end,
})
