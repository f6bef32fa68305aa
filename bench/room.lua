-- SPDX-License-Identifier: Apache-2.0
-- Fan-out through the public API: everybody in a room gets what anyone publishes to it.
local stoa = require "stoa"

stoa.on("join", function(socket, room)
    socket:join(room)
    return { ok = true }
end)

stoa.on("publish", function(_, room, payload)
    stoa.to(room):emit("message", payload)
end)

-- Joins the channels from one number to another, for idle.py.
stoa.on("follow", function(socket, first, last)
    for i = first, last do
        local channel = stoa.channel("quiet-" .. i)
        local state, word = true, nil
        if not channel:followed_by(socket) then state, word = channel:follow(socket) end
        if word == "not_found" and channel:put({}) then state, word = channel:follow(socket) end
        if not state then return { ok = false, error = { code = word } } end
    end
    return { ok = true }
end)
