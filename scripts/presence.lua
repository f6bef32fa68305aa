-- Who is online, and what they say of it. The core counts live connections, so a second device keeps a user online, and
-- tells a channel's changes at most once a tick. List this after scripts whose connect hook may refuse.
local stoa = require "stoa"
local cache = require "cache"
local protocol = require "protocol"

local USERS_MAX, MESSAGE_MAX_BYTES = 100, 256
local statuses = { online = true, away = true, busy = true, invisible = true }

stoa.hook("connect", function(socket)
    stoa.presence.connected(socket)
end)

protocol.on("presence:update", function(socket, arguments)
    local passed, word, detail = protocol.take(socket, { statuses = socket.user_id })
    if not passed then return nil, word, detail end
    local message = protocol.given(arguments.statusMessage)
    if not statuses[arguments.status] or message and not protocol.is_text(message, MESSAGE_MAX_BYTES) then
        return nil, "bad_request"
    end
    return stoa.presence.update(socket.user_id, arguments.status, message)
end)

-- Users whom no worker has seen lately may be known to the store: offline, last seen then.
local function look_up(users)
    local unknown, places = stoa.array {}, {}
    for _, user in ipairs(users) do
        if user.status == "unknown" then
            unknown[#unknown + 1] = user.userId
            places[user.userId] = user
        end
    end
    if #unknown == 0 then return end
    local known = stoa.users(unknown)
    for _, user in ipairs(known and known:decode() or {}) do
        places[user.userId].status = "offline"
        places[user.userId].lastSeen = protocol.given(user.lastSeen)
    end
end

protocol.on("presence:get", function(socket, arguments)
    local passed, word, detail = protocol.take(socket, { reads = socket.user_id })
    if not passed then return nil, word, detail end
    if not protocol.is_user_id_list(arguments.userIds, USERS_MAX) then return nil, "bad_request" end
    local users, stale = stoa.presence.get(arguments.userIds)
    if not users then return nil, stale end
    look_up(users)
    return { users = users, stale = stale or nil }
end)

protocol.on("user:get", function(socket, arguments)
    local passed, word, detail = protocol.take(socket, { reads = socket.user_id })
    if not passed then return nil, word, detail end
    if not protocol.is_user_id_list(arguments.userIds, USERS_MAX) then return nil, "bad_request" end
    local users = stoa.array {}
    for _, user_id in ipairs(arguments.userIds) do
        local profile, reason = cache.profiles:get(user_id)
        if profile == nil then return nil, reason end
        if profile then users[#users + 1] = profile end
    end
    return { users = users }
end)
