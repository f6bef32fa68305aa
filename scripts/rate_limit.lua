-- SPDX-License-Identifier: Apache-2.0
-- How much of what. The numbers of `limits` in the configuration, and some that only matter to floods.
--
-- A limit lets `count` through at once, and `count` in each `seconds` after that: no window has an edge at which twice as
-- much passes. Limits that are asked together are charged together or not at all. Changing a number keeps what has been
-- spent. State is in the core: scripts only say the rules.
local stoa = require "stoa"
local pressure = require "pressure"
local protocol = require "protocol"

local limits = stoa.config.limits
local adaptive = stoa.config.app and stoa.config.app.adaptive_limits

-- An example of a rule that is a function: under load everyone may do less, half of it when things are bad.
local function shrinking(count)
    local shares = { [0] = 1, 0.75, 0.5 }
    return function() return math.max(1, math.floor(count * shares[pressure.level])) end
end

for _, name in ipairs { "user_messages", "channel_messages", "global_messages", "uploads", "connects" } do
    local rate = limits[name]
    if rate then
        local count = rate[1]
        if adaptive and name == "user_messages" then count = shrinking(count) end
        stoa.limit(name, { count, rate[2] })
    end
end

-- What no person reaches. Per user:
stoa.limit("joins", { 600, 60 }) -- a page that follows many channels joins all of them after each reconnect
stoa.limit("changes", { 600, 60 }) -- deletes, reactions, read marks
stoa.limit("reads", { 600, 60 }) -- pages of history
stoa.limit("look_ups", { -- users and channels that are named in lists
    count = 3000,
    seconds = 60,
    cost = function(named) return math.max(1, named) end,
})
stoa.limit("statuses", { 60, 60 })
stoa.limit("long_repeats", { 10, 60 }) -- refused messages of over 4 KiB that are looked for in the log
-- Of long messages, which are stored, and sent to everybody who follows the channel:
local function bytes_of(bytes) return bytes end
stoa.limit("user_bytes", { count = 2 ^ 21, seconds = 60, cost = bytes_of })
stoa.limit("channel_bytes", { count = 2 ^ 22, seconds = 60, cost = bytes_of })
stoa.limit("channel_creations", { 300, 3600 }) -- in development mode joining creates
stoa.limit("abuse", { 1000, 60, scope = "worker" }) -- attempts that were refused; beyond, the socket is ended

-- Connections of a user, over all workers: of fifty at once exactly as many stay as may. Those that are turned away are
-- not charged as attempts, nor are those that only lost their network for a moment: a stock client gives up when it is
-- refused here.
stoa.hook("connect", function(socket)
    local most = limits.connections_per_user
    if most and not socket:claim(most) then return protocol.refuse_connection("too_many_connections") end
    if socket.recovered then return end
    local passed, word, detail = stoa.take { connects = socket.user_id }
    if not passed then return protocol.refuse_connection(word, detail) end
end)

-- A channel holds so many users who are online; who is there already may look with another device.
stoa.hook("join", function(socket, channel_id)
    if not limits.channel_users then return true end
    local channel = stoa.channel(channel_id)
    local _, online = channel:online_so_far(0)
    if online < limits.channel_users or channel:followed_by(socket) then return true end
    for _, other in ipairs(stoa.user(socket.user_id):sockets()) do
        if other.connected and channel:followed_by(other) then return true end
    end
    return nil, "channel_full"
end)
