-- Fan-out through the public API: whoever joins a room gets what anyone publishes into it.
local stoa = require "stoa"

stoa.on("join", function(socket, room)
    socket:join(room)
    return { ok = true }
end)

stoa.on("publish", function(_, room, payload)
    stoa.to(room):emit("message", payload)
end)
