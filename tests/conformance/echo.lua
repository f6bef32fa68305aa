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
