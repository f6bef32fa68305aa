-- SPDX-License-Identifier: Apache-2.0
-- Does the same as the Node.js server of reference.test.mjs: an echo that closes on request.
local stoa = require "stoa"

stoa.engine("/engine.io/", {
    message = function(connection, data)
        if data == "close" then
            connection:close()
        else
            connection:send(data)
        end
    end,
})

for _, name in ipairs { "/", "/custom" } do
    local namespace = stoa.of(name)
    namespace.hook("connect", function(socket)
        socket:emit("auth", socket.handshake.auth)
    end)
    namespace.on("echo", function(socket, ...)
        socket:emit("echoed", ...)
    end)
    namespace.on("answer", function(_, ...)
        return ...
    end)
    namespace.on("ask", function(socket)
        socket:emit("answered", socket:call("question"))
    end)
    namespace.on("leave", function(socket)
        socket:disconnect()
    end)
end
