-- SPDX-License-Identifier: Apache-2.0
-- Presence: who is online, and the status that users set. The core counts live connections, so a second device keeps a
-- user online. It sends a channel's changes at most once in presence.tick_ms. List this script after those whose
-- connect hook may refuse.
local stoa = require "stoa"
local cache = require "cache"
local protocol = require "protocol"

local USERS_MAX, MESSAGE_MAX_BYTES = 100, 256
local LOOK_AGAIN_S = 5
local statuses = { online = true, away = true, busy = true, invisible = true }

-- ---- a status lasts until the user changes it, also while they are offline ----

-- Users whose status could not be read from the store. They are invisible until it is read.
local unread = {}

stoa.hook("connect", function(socket)
    local said, word = stoa.user(socket.user_id):said()
    if not said and word ~= "not_found" then
        unread[socket.user_id] = true
        said = { status = "invisible" }
    end
    stoa.presence.connected(socket, said)
end)

-- If the user sets a status during the read, the result of the read is dropped.
local function look_again(user_id)
    local user = stoa.user(user_id)
    local is_here, said, word = user:connections() > 0, nil, nil
    if is_here then said, word = user:said() end
    local is_read = said or word == "not_found"
    if is_read and unread[user_id] then
        said = said or { status = "online" }
        stoa.presence.update(user_id, said.status, said.statusMessage, said.endsMs)
    end
    if is_read or not is_here then unread[user_id] = nil end
end

stoa.every(LOOK_AGAIN_S, function()
    local user_ids = {}
    for user_id in pairs(unread) do user_ids[#user_ids + 1] = user_id end
    for _, user_id in ipairs(user_ids) do look_again(user_id) end
end)

-- {status, statusMessage?, until?}. "online" without a message is the default, so it is not stored.
protocol.on("presence:update", function(socket, arguments)
    local user_id = socket.user_id
    local passed, word, detail = protocol.take(socket, { statuses = user_id })
    if not passed then return nil, word, detail end
    local status, message, ends = arguments.status, protocol.given(arguments.statusMessage), protocol.given(arguments["until"])
    if not statuses[status] or message and not protocol.is_text(message, MESSAGE_MAX_BYTES) then return nil, "bad_request" end
    local ends_s = type(ends) == "string" and protocol.seconds_of(ends)
    if ends and (not ends_s or ends_s <= stoa.now()) then return nil, "bad_request" end
    local ends_ms = ends and ends_s * 1000 or nil
    local is_word = status ~= "online" or message
    passed, word = stoa.user(user_id):say(is_word and { status = status, statusMessage = message, endsMs = ends_ms } or {})
    if not passed then return nil, word end
    unread[user_id] = nil
    return stoa.presence.update(user_id, status, message, ends_ms)
end)

local function take_list(socket, user_ids)
    local passed, word, detail = protocol.take_look_ups(socket, stoa.is_array(user_ids) and #user_ids or 1)
    if not passed then return nil, word, detail end
    return protocol.is_user_id_list(user_ids, USERS_MAX) or nil, "bad_request"
end

-- Looks up the users whom no worker knows. Those whom the store knows are offline, with the time they were last seen.
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
    local passed, word, detail = take_list(socket, arguments.userIds)
    if not passed then return nil, word, detail end
    local users, stale = stoa.presence.get(arguments.userIds)
    if not users then return nil, stale end
    look_up(users)
    return { users = users, stale = stale or nil }
end)

protocol.on("user:get", function(socket, arguments)
    local passed, word, detail = take_list(socket, arguments.userIds)
    if not passed then return nil, word, detail end
    local users = stoa.array {}
    for _, user_id in ipairs(arguments.userIds) do
        local profile, reason = cache.profiles:get(user_id)
        if profile == nil then return nil, reason end
        if profile then users[#users + 1] = profile end
    end
    return { users = users }
end)
