-- SPDX-License-Identifier: Apache-2.0
-- What the scenes of clients.test.mjs need beside /ws: a path that takes binary.
local stoa = require "stoa"

stoa.websocket("/echo", {
    deflate = true,
    message = function(connection, message)
        connection:send(message)
    end,
})
