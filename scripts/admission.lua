-- SPDX-License-Identifier: Apache-2.0
-- Bans, and refusals under overload. The core itself answers connections beyond limits.connections with 503 and
-- Retry-After, before they cost anything. This file has the rules that need a script.
local stoa = require "stoa"
local pressure = require "pressure"
local protocol = require "protocol"

-- Banned addresses and users, from the configuration: app = { banned = { "192.0.2.7", "mallory" } }.
local banned = {}
for _, name in ipairs(stoa.config.app and stoa.config.app.banned or {}) do banned[stoa.address(name) or name] = true end

-- auth.lua asks this hook before it checks the token. A stock client does not reconnect by itself after a refusal here.
-- That is right for a ban and wrong for overload, so the core refuses connections under overload.
stoa.hook("admit", function(handshake)
    if banned[handshake.address] then return nil, "forbidden" end
    return true
end)

stoa.hook("connect", function(socket)
    if banned[socket.user_id] then return protocol.refuse_connection("forbidden") end
end)

-- Under overload, connections stay but joins (which read the store) and sends (which write to it) are refused. Clients
-- try again after retryAfter, which is random so that they do not all try at once.
local function unless_overloaded()
    if pressure.level < 2 then return true end
    return nil, "unavailable", { retryAfter = 1 + math.random() * 4 }
end

stoa.hook("join", unless_overloaded)
stoa.hook("send", unless_overloaded)
