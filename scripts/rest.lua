-- SPDX-License-Identifier: Apache-2.0
-- The REST interface for your other servers: docs/protocol.md. Every key may do everything; all changes are audited.
local stoa = require "stoa"
local access = require "chat_access"
local api = require "api"
local cache = require "cache"
local messages = require "chat_messages"
local protocol = require "protocol"

local NAME_MAX_BYTES, AVATAR_MAX_BYTES = 200, 2048
local SESSION_DEFAULT_S, SESSION_MAX_S = 24 * 3600, 366 * 24 * 3600
local PRESENT_MAX = 1000
local roles = { owner = true, moderator = true, member = true }

local given = protocol.given

-- An optional text: is it absent, or short enough?
local function fits(value, max_bytes)
    return given(value) == nil or protocol.is_text(value, max_bytes)
end

-- The channel named in the path, which must exist; or nil, word.
local function existing(request)
    local channel_id = request.params.id
    if not protocol.is_id(channel_id) then return nil, "bad_channel" end
    local known, word = cache.channels:get(channel_id)
    if known then return stoa.channel(channel_id) end
    return nil, known == false and "not_found" or word
end

-- ---- channels ----

api.route("PUT", "/api/channels/{id}", function(request, body, actor)
    local channel_id, visibility = request.params.id, given(body.visibility)
    if not protocol.is_id(channel_id) then return nil, "bad_channel" end
    if not fits(body.name, NAME_MAX_BYTES) then return nil, "bad_request" end
    if visibility and visibility ~= "public" and visibility ~= "private" then return nil, "bad_request" end
    return access.put_channel(channel_id, { name = given(body.name), visibility = visibility }, actor)
end)

api.route("GET", "/api/channels/{id}", function(request)
    local channel, word = existing(request)
    if not channel then return nil, word end
    return channel:info()
end)

api.route("PUT", "/api/channels/{id}/members/{user}", function(request, body, actor)
    local channel, word = existing(request)
    if not channel then return nil, word end
    local user_id, role = request.params.user, given(body.role) or "member"
    if not protocol.is_user_id(user_id) or not roles[role] then return nil, "bad_request" end
    return access.set_role(channel.id, user_id, role, actor)
end)

api.route("DELETE", "/api/channels/{id}/members/{user}", function(request, _, actor)
    local channel, word = existing(request)
    if not channel then return nil, word end
    if not protocol.is_user_id(request.params.user) then return nil, "bad_request" end
    return access.remove_member(channel.id, request.params.user, actor)
end)

-- ---- messages ----

-- {userId, content, clientId?, threadId?, attachments?}. A repeat with the same clientId is stored once. The hooks of
-- client messages run; no limits apply.
api.route("POST", "/api/channels/{id}/messages", function(request, body, actor)
    local channel, word, detail = existing(request)
    if not channel then return nil, word end
    local user_id, client_id = body.userId, given(body.clientId)
    if not protocol.is_user_id(user_id) or client_id and not protocol.is_id(client_id) then return nil, "bad_request" end
    body.channelId = channel.id
    local receipt
    receipt, word, detail = messages.say({ user_id = user_id, user = { id = user_id }, api = actor }, channel, client_id, body)
    if not receipt then return nil, word, detail end
    if not receipt.duplicate then access.audit("message.post", actor, channel.id, { messageId = receipt.id }) end
    return receipt
end)

api.route("GET", "/api/channels/{id}/messages", function(request)
    local channel, word = existing(request)
    if not channel then return nil, word end
    local query = request.query or {}
    local asked = {}
    for _, name in ipairs { "before", "after", "limit" } do
        if query[name] ~= nil then
            asked[name] = tonumber(query[name])
            if not asked[name] then return nil, "bad_request" end
        end
    end
    local page, reason = protocol.page(asked)
    if not page then return nil, reason end
    return channel:messages(page)
end)

api.route("GET", "/api/channels/{id}/presence", function(request)
    local channel, word = existing(request)
    if not channel then return nil, word end
    local users, online, stale = channel:online(PRESENT_MAX)
    if not users then return nil, online end
    return { users = users, online = online, stale = stale or nil }
end)

-- ---- users ----

api.route("PUT", "/api/users/{id}", function(request, body, actor)
    local user_id = request.params.id
    if not protocol.is_user_id(user_id) or not fits(body.name, NAME_MAX_BYTES) or not fits(body.avatar, AVATAR_MAX_BYTES) then
        return nil, "bad_request"
    end
    local changes = { name = given(body.name), avatar = given(body.avatar) }
    local done, word = stoa.user(user_id):put(changes)
    cache.profiles:remove(user_id)
    if not done then return nil, word end
    access.audit("user.put", actor, nil, { userId = user_id, name = changes.name })
    return true
end)

-- Closes a user's sockets; stock clients do not reconnect by themselves. To keep a user out, ban them
-- (scripts/admission.lua) or delete their sessions.
api.route("POST", "/api/users/{id}/disconnect", function(request, _, actor)
    local user_id = request.params.id
    if not protocol.is_user_id(user_id) then return nil, "bad_request" end
    local disconnected = stoa.user(user_id):disconnect { stay_away = true }
    access.audit("user.disconnect", actor, nil, { userId = user_id, sockets = disconnected })
    return { disconnected = disconnected }
end)

-- ---- sessions ----

api.route("POST", "/api/sessions", function(_, body, actor)
    local ttl_s = given(body.ttlSeconds) or SESSION_DEFAULT_S
    if not protocol.is_user_id(body.userId) or type(ttl_s) ~= "number" or not (ttl_s >= 1 and ttl_s <= SESSION_MAX_S) then
        return nil, "bad_request"
    end
    local token, word = stoa.session.create(body.userId, ttl_s)
    if not token then return nil, word end
    access.audit("session.create", actor, nil, { userId = body.userId, ttlSeconds = ttl_s })
    return { token = token }
end)

-- Also closes the sockets that the token opened: auth.lua stored the token's hash with each.
api.route("DELETE", "/api/sessions/{token}", function(request, _, actor)
    local token = request.params.token
    local session, word = stoa.session.delete(token)
    if not session then return nil, word end
    stoa.user(session.userId):disconnect { session = stoa.crypto.sha256(token), stay_away = true }
    access.audit("session.delete", actor, nil, { userId = session.userId })
    return true
end)

-- ---- broadcast ----

-- Events about entries of a channel's log. Only the log may send them.
local told_by_log = {
    ["message:new"] = true,
    ["message:updated"] = true,
    ["message:deleted"] = true,
    ["reaction:changed"] = true,
}

-- {event, data? or args? (a list), channelId? | userId?}: to the followers of a channel, a user's sockets, or
-- everybody. Message events are refused, so that nobody can bypass the hooks of messages.
api.route("POST", "/api/broadcast", function(_, body, actor)
    local arguments, channel_id, user_id = given(body.args), given(body.channelId), given(body.userId)
    if arguments == nil then arguments = stoa.array { body.data } end
    if type(body.event) ~= "string" or told_by_log[body.event] or not stoa.is_array(arguments) then
        return nil, "bad_request"
    end
    if channel_id and not protocol.is_id(channel_id) or user_id and not protocol.is_user_id(user_id) then
        return nil, "bad_request"
    end
    local target = channel_id and stoa.channel(channel_id) or user_id and stoa.user(user_id)
    -- emit raises on a reserved event name, which would break every client.
    local sent = pcall(function()
        if target then return target:emit(body.event, unpack(arguments)) end
        return stoa.broadcast(body.event, unpack(arguments))
    end)
    if not sent then return nil, "bad_request" end
    access.audit("broadcast", actor, channel_id, { event = body.event, userId = user_id })
    return true
end)
