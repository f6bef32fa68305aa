-- SPDX-License-Identifier: Apache-2.0
-- The events that socketio.test.mjs, recovery.test.mjs and the fleets need besides the chat.
local stoa = require "stoa"

stoa.of("/news").hook("connect", function(socket)
    if socket.handshake.auth.key ~= "open sesame" then return nil, "wrong key", { hint = "ask Ali Baba" } end
    socket:emit("welcome", "to the news")
end)
stoa.of("/news").on("where", function() return "/news" end)

stoa.on("where", function() return "/" end)
stoa.on("echo", function(_, ...) return ... end)
stoa.on("send back", function(socket, ...) socket:emit("sent back", ...) end)
stoa.on("fail", function() error("on purpose") end)

-- An acknowledgement in the other direction.
stoa.on("ask me", function(socket, question)
    local answer, word = socket:call("question", question, { timeout_ms = 2000 })
    return { answer = answer, word = word }
end)
stoa.on("ask me in vain", function(socket)
    local answer, word = socket:call("nobody answers", { timeout_ms = 50 })
    return { answer = answer, word = word }
end)

stoa.on("enter", function(socket, room)
    socket:join(room)
    return true
end)
stoa.on("say", function(_, room, ...)
    stoa.to(room):emit("said", ...)
    return true
end)
stoa.on("say to others", function(socket, room, ...)
    socket:to(room):emit("said", ...)
    return true
end)
stoa.on("whisper", function(_, room, ...)
    stoa.to(room):volatile():emit("whispered", ...)
    return true
end)

local hot = stoa.cache("hot", { ttl = 4, shared = true, load = function(key)
    stoa.sleep(0.3)
    return { key = key, at = stoa.now() }
end })
stoa.on("hot", function(_, key) return hot:get(key) end)
