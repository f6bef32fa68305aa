-- SPDX-License-Identifier: Apache-2.0
-- Rate limits: those of `limits` in the configuration, and higher ones that only a flood reaches.
--
-- A limit allows `count` at once, and refills evenly at `count` per `seconds`: there are no windows at whose edge twice
-- as much could pass. Limits that are taken together are charged together or not at all. After a change of the numbers,
-- what was spent stays spent. The core keeps the state; scripts only define the rules.
local stoa = require "stoa"
local pressure = require "pressure"
local protocol = require "protocol"

local limits = stoa.config.limits
local adaptive = stoa.config.app and stoa.config.app.adaptive_limits

-- An example of a count that is a function: users may send three quarters when busy, half when overloaded.
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

-- Limits that no person reaches. Per user:
stoa.limit("joins", { 600, 60 }) -- a page that follows many channels joins all of them after each reconnect
stoa.limit("changes", { 600, 60 }) -- deletes, reactions, read marks
stoa.limit("reads", { 600, 60 }) -- pages of history
stoa.limit("look_ups", { -- users and channels named in lists
    count = 3000,
    seconds = 60,
    cost = function(named) return math.max(1, named) end,
})
stoa.limit("statuses", { 60, 60 })
stoa.limit("long_repeats", { 10, 60 }) -- refused messages of over 4 KiB that are searched for in the log
-- Bytes of messages over 4 KiB, which are stored, and sent to everybody who follows the channel:
local function bytes_of(bytes) return bytes end
stoa.limit("user_bytes", { count = 2 ^ 21, seconds = 60, cost = bytes_of })
stoa.limit("channel_bytes", { count = 2 ^ 22, seconds = 60, cost = bytes_of })
stoa.limit("channel_creations", { 300, 3600 }) -- in development mode a join may create a channel
stoa.limit("abuse", { 1000, 60, scope = "worker" }) -- refused attempts; above this the socket is closed

-- Connections of a user, over all workers: even if fifty connect at once, exactly connections_per_user stay. Refused
-- connections are not charged to `connects`, nor are recovered ones, because a stock client gives up when it is refused
-- here.
stoa.hook("connect", function(socket)
    local most = limits.connections_per_user
    if most and not socket:claim(most) then return protocol.refuse_connection("too_many_connections") end
    if socket.recovered then return end
    local passed, word, detail = stoa.take { connects = socket.user_id }
    if not passed then return protocol.refuse_connection(word, detail) end
end)

-- A channel takes channel_users users who are online. A user who is there already may join with another device.
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
