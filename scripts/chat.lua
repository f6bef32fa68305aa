-- SPDX-License-Identifier: Apache-2.0
-- The chat of docs/protocol.md. This file has the events of channels; chat_messages.lua has messages, chat_typing.lua
-- typing, chat_access.lua permissions and membership, protocol.lua answers and the checks of arguments.
local stoa = require "stoa"
local cache = require "cache"
local access = require "chat_access"
local protocol = require "protocol"
require "chat_messages"
require "chat_typing"

local given, take = protocol.given, protocol.take

local SYNC_CHANNELS_MAX = 256
local SYNC_MAX_BYTES = 1048576 -- in one answer; the client asks again for the rest
local SYNC_EVENTS = 200 -- of one channel in one answer
local NAMES_MAX = stoa.config.presence.names

stoa.hook("connect", function(socket)
    if socket.recovered then access.check_again(socket) end
end)

protocol.on("channel:list", function(socket)
    local passed, word, detail = take(socket, { reads = socket.user_id })
    if not passed then return nil, word, detail end
    local channels, partial = stoa.user(socket.user_id):channels()
    if not channels then return nil, partial end
    return { channels = channels, partial = partial or nil }
end)

-- Who is online, for a socket that has just joined. It receives later changes as a follower. If more than NAMES_MAX
-- users are online, only their number is told.
local function who_is_here(channel)
    local users, online = channel:online_so_far(NAMES_MAX)
    if online > NAMES_MAX then users = stoa.array {} end
    return { channelId = channel.id, users = users, online = online }
end

-- All checks that may refuse a join, the cheapest first.
local function admit(socket, channel_id)
    local passed, word, detail = take(socket, { joins = socket.user_id })
    if not passed then return nil, word, detail end
    passed, word = access.may_join(socket.user, channel_id)
    if not passed then return nil, word end
    passed, word, detail = stoa.ask("join", socket, channel_id)
    if not passed then return nil, word, detail end
    return access.enrol(socket.user, channel_id)
end

protocol.on("channel:join", function(socket, arguments)
    local channel_id, word, detail = protocol.channel_id(arguments)
    if not channel_id then return nil, word end
    local since = given(arguments.since)
    if since then
        since, word = protocol.cursor(since)
        if not since then return nil, word end
    end
    local admitted
    admitted, word, detail = admit(socket, channel_id)
    if not admitted then return nil, word, detail end
    local channel = stoa.channel(channel_id)
    local state
    state, word = channel:follow(socket, since)
    if not state then return nil, word end
    -- The user may have been removed while follow() read the channel.
    admitted, word = access.may_see(socket.user, channel_id)
    if not admitted then
        channel:unfollow(socket)
        return nil, word
    end
    local here = who_is_here(channel)
    socket:emit("presence:changed", here)
    state.channelId, state.members, state.online = channel_id, access.members(channel_id), here.online
    return state
end)

-- Only this socket leaves. The user stays a member, and their other devices stay joined.
protocol.on("channel:leave", function(socket, arguments)
    local channel, word, detail = access.joined(socket, arguments)
    if not channel then return nil, word, detail end
    channel:unfollow(socket)
    stoa.tell("leave", socket, channel.id)
    return true
end)

protocol.on("channel:members", function(socket, arguments)
    local channel, word, detail = access.seen(socket, arguments, "reads")
    if not channel then return nil, word, detail end
    local members
    members, word = cache.members:get(channel.id)
    if not members then return nil, word or "not_found" end
    return { members = members }
end)

protocol.on("read:mark", function(socket, arguments)
    if not protocol.is_seq(arguments.seq) then return nil, "bad_request" end
    local channel, word, detail = access.seen(socket, arguments, "changes")
    if not channel then return nil, word, detail end
    return channel:mark_read(socket.user_id, arguments.seq)
end)

-- ---- sync: the missed events of many channels, in one answer ----

local function sync_channel(socket, channel_id, asked)
    if not protocol.is_id(channel_id) then return nil, "bad_channel" end
    local since, word = protocol.cursor(asked)
    if not since then return nil, word end
    local visible, reason = access.may_see(socket.user, channel_id)
    if not visible then return nil, reason end
    since.limit = SYNC_EVENTS
    return stoa.channel(channel_id):events(since)
end

protocol.on("sync", function(socket, arguments)
    local asked = arguments.channels
    if type(asked) ~= "table" or stoa.is_array(asked) then return nil, "bad_request" end
    local count = 0
    for _ in pairs(asked) do
        count = count + 1
        if count > SYNC_CHANNELS_MAX then break end
    end
    local passed, reason, detail = protocol.take_look_ups(socket, count)
    if not passed then return nil, reason, detail end
    if count > SYNC_CHANNELS_MAX then return nil, "bad_request" end
    local channels, bytes = {}, 0
    for channel_id, since in pairs(asked) do
        if bytes >= SYNC_MAX_BYTES and protocol.cursor(since) then
            channels[channel_id] = { events = stoa.array {}, seq = since.seq, epoch = since.epoch, more = true }
        else
            local missed, word = sync_channel(socket, channel_id, since)
            channels[channel_id] = missed or { error = protocol.refusal(word).error }
            if missed then bytes = bytes + #missed.events end
        end
    end
    return { channels = channels }
end)

-- ---- uploads: a limit decides whether, a hook that knows the storage decides where ----

protocol.on("upload:request", function(socket, arguments)
    local channel, word, detail = access.joined(socket, arguments)
    if not channel then return nil, word, detail end
    if not protocol.is_text(arguments.name, 255) or not protocol.is_text(arguments.type, 127)
        or not protocol.is_seq(arguments.bytes) then
        return nil, "bad_request"
    end
    local passed
    passed, word, detail = take(socket, { uploads = socket.user_id })
    if not passed then return nil, word, detail end
    local place
    place, word, detail = stoa.ask("upload", socket, arguments)
    if type(place) == "table" then return place end
    return nil, word or "unavailable", detail -- without a hook there is no storage
end)
