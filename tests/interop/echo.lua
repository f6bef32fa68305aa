-- SPDX-License-Identifier: Apache-2.0
-- For clients.test.mjs: a path that accepts binary messages.
local stoa = require "stoa"

stoa.websocket("/echo", {
    deflate = true,
    message = function(connection, message)
        connection:send(message)
    end,
})
