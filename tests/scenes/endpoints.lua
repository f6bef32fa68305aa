-- SPDX-License-Identifier: Apache-2.0
-- The endpoints of websocket.test.mjs.
local stoa = require "stoa"
local heard = {}

stoa.route("GET", "/heard", function()
    local was = heard
    heard = {}
    return 200, stoa.array(was)
end)

local function hear(_, code, reason)
    heard[#heard + 1] = { code = code, reason = reason }
end

stoa.websocket("/echo", {
    protocols = { "v2", "v1" },
    max_bytes = 1000000,
    open = function(connection, request)
        if request.query.refused then return nil, "not you" end
        connection:send("welcome " .. tostring(request.protocol) .. " " .. request.path)
    end,
    message = function(connection, message) connection:send(message) end,
    close = hear,
})

stoa.websocket("/door", {
    message = function(connection, code) connection:close(tonumber(code), "so be it") end,
    close = hear,
})

stoa.websocket("/pings", { ping_interval_ms = 50, ping_timeout_ms = 200, message = print, close = hear })

-- Sends without end to a client that does not read.
stoa.websocket("/flood", {
    deflate = false,
    message = function(connection, size)
        local big = ("x"):rep(tonumber(size))
        repeat stoa.sleep(0.001) until not connection:send(big)
    end,
    close = hear,
})

stoa.websocket("/feed", {
    open = function(connection) return connection:join("feed") end,
    message = function(_, message) stoa.to("feed"):send(message) end,
})
stoa.on("join", function(socket) return socket:join("feed") end)
