-- SPDX-License-Identifier: Apache-2.0
-- Who is let in when there is too much. The core refuses connections beyond limits.connections with 503 before they cost
-- anything, and says when to come back; here is what only a script can know.
local stoa = require "stoa"
local pressure = require "pressure"
local protocol = require "protocol"

-- Addresses and users that are not welcome, from the configuration: app = { banned = { "192.0.2.7", "mallory" } }.
local banned = {}
for _, name in ipairs(stoa.config.app and stoa.config.app.banned or {}) do banned[stoa.address(name) or name] = true end

-- Asked by auth.lua before the token is looked at. A stock client does not come back by itself after a refusal here:
-- right for the banned, wrong for overload, which is the core's to refuse.
stoa.hook("admit", function(handshake)
    if banned[handshake.address] then return nil, "forbidden" end
    return true
end)

stoa.hook("connect", function(socket)
    if banned[socket.user_id] then return protocol.refuse_connection("forbidden") end
end)

-- Overloaded: what is already connected goes on, what would add to the load waits its turn. Joining reads the store,
-- sending writes to it; clients try again after retryAfter, spread so that they do not all come at once.
local function unless_overloaded()
    if pressure.level < 2 then return true end
    return nil, "unavailable", { retryAfter = 1 + math.random() * 4 }
end

stoa.hook("join", unless_overloaded)
stoa.hook("send", unless_overloaded)
