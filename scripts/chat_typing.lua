-- SPDX-License-Identifier: Apache-2.0
-- Typing: volatile, sent at most once a second per user and channel. A change that comes sooner waits, and a later one
-- replaces it. A table of bounded size has the recent typists, and one timer serves them all: typing needs no tasks.
local stoa = require "stoa"
local access = require "chat_access"
local protocol = require "protocol"

local LATELY_MAX = 4096 -- entries; each is one user in one channel
local LOOK_S, QUIET_LOOKS = 0.25, 5 -- at least one second, because the first look may come at once
local LOOK_MAX = 256 -- entries per look; the rest wait for the next look

stoa.limit("typing", { 30, 15, scope = "worker" }) -- events sent about a user, in all channels

local lately = {} -- "channelId userId" → entry: whom it is about, and the change that waits
local queue, first, last = {}, 1, 0 -- the same entries, in the order in which their second ends
local looks = 0

local function tell(entry, typing)
    local news = { channelId = entry.channel.id, userId = entry.user_id, typing = typing }
    entry.channel:volatile():except(entry.socket_id):emit("typing", news)
    entry.quiet_until = looks + QUIET_LOOKS
    last = last + 1
    queue[last] = entry
end

-- Sends the change that waits. "Stopped" is always sent; "typing" is dropped if the socket has left the channel.
local function second_over(entry)
    local typing = entry.waiting
    entry.waiting = nil
    if typing == false or typing and entry.channel:followed_by(entry.socket) then
        tell(entry, typing)
    else
        lately[entry.key] = nil
    end
end

stoa.every(LOOK_S, function()
    looks = looks + 1
    for _ = 1, LOOK_MAX do
        local entry = queue[first]
        if not entry or entry.quiet_until > looks then return end
        queue[first] = nil
        first = first + 1
        second_over(entry)
    end
end)

protocol.on("typing", function(socket, arguments)
    local channel, word, detail = access.joined(socket, arguments)
    if not channel then return nil, word, detail end
    local typing = arguments.typing
    if type(typing) ~= "boolean" then return nil, "bad_request" end
    local key = channel.id .. " " .. socket.user_id
    local entry = lately[key]
    if entry and entry.waiting ~= nil then
        entry.waiting = typing
        return true
    end
    local passed
    passed, word, detail = protocol.take(socket, { typing = socket.user_id })
    if not passed then return nil, word, detail end
    if entry then
        entry.waiting = typing
        return true
    end
    if last - first + 1 >= LATELY_MAX then return nil, "unavailable" end
    entry = { key = key, channel = channel, socket = socket, socket_id = socket.id, user_id = socket.user_id }
    lately[key] = entry
    tell(entry, typing)
    return true
end)
