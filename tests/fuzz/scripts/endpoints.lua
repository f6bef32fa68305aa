-- SPDX-License-Identifier: Apache-2.0
-- What the shipped scripts do not use: endpoints of scripts, questions to clients, handlers that wait and that fail.
local stoa = require "stoa"

local function echo(connection, data)
    connection:send(data)
    connection:join("lobby")
    stoa.to("lobby"):send(data)
end

stoa.websocket("/raw", { protocols = { "chat" }, max_bytes = 2048, message = echo, close = function() stoa.sleep(1) end })
stoa.engine("/engine/", {
    open = function(connection) connection:send("hello") end,
    message = function(connection, data)
        if data == "close" then return connection:close(4000, "asked") end
        if data == "wait" then stoa.sleep(1) end
        echo(connection, data)
    end,
})

stoa.on("echo", function(_, ...) return ... end)
stoa.on("raw", { raw = true }, function(socket, json) socket:emit("raw", json) end)
stoa.on("ask", function(socket, ...) return socket:call("question", ..., { timeout_ms = 2000 }) end)
stoa.on("wait", function(_, ...)
    stoa.sleep(1)
    return ...
end)
stoa.on("fail", function(_, text) error(text) end)
stoa.on("room", function(socket, room, ...)
    local joined, word = socket:join(room)
    socket:to(room):emit("said", ...)
    return joined, word, socket:rooms()
end)
stoa.on("state", function(socket, value)
    socket:set_state(value)
    return socket:state()
end)
stoa.on("end", function(socket, whole)
    if whole then socket:close() end
    socket:disconnect()
end)
stoa.on("much", function(socket)
    for i = 1, 20 do socket:emit("much", ("x"):rep(1000), i) end
end)

local admin = stoa.of("/admin")
admin.on("echo", function(_, ...) return ... end)
admin.on("all", function(socket, ...)
    admin.emit("all", ...)
    stoa.broadcast("all", ...)
    return socket.id
end)
