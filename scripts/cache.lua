-- SPDX-License-Identifier: Apache-2.0
-- What scripts keep in memory, and for how long. Other scripts require this file; the configuration does not list it.
--
-- Each worker has its own copy. A shared cache has a copy in Redis too, so that one load serves all workers of the
-- fleet. The time to live is only the last resort: code that changes a thing removes its entry on all workers, and the
-- result of a load that runs at that moment is not kept.
--
-- What is not cached here, and why:
-- - A channel's messages: the core caches them itself, by sequence number.
-- - Presence, and who is online in a channel: each worker knows it from events and never loads it.
-- - A user's list of channels: it carries unread counters, which change with each message.
-- - Session tokens: each connect looks its token up, so that a deleted token lets nobody in. The deletion itself closes
--   the sockets that the token opened.
local stoa = require "stoa"

local cache = {}

-- "not_found" is cached, as false. A failure is not cached.
local function absent(word)
    if word == "not_found" then return false end
    return nil, word
end

-- userId → {userId, name, avatar?}; false: no such user.
cache.profiles = stoa.cache("profiles", {
    ttl = 15 * 60,
    shared = true,
    load = function(user_id)
        local user, word = stoa.user(user_id):get()
        if not user then return absent(word) end
        return { userId = user.userId, name = user.name, avatar = user.avatar }
    end,
})

-- channelId → {channelId, name, visibility, members}; false: no such channel. Do not read seq from it: each message
-- changes that.
cache.channels = stoa.cache("channels", {
    ttl = 5 * 60,
    shared = true,
    load = function(channel_id)
        local channel, word = stoa.channel(channel_id):info()
        if not channel then return absent(word) end
        return channel
    end,
})

-- channelId → [{userId, role}, …]; false: no such channel.
cache.members = stoa.cache("members", {
    ttl = 5 * 60,
    shared = true,
    load = function(channel_id)
        local members, word = stoa.channel(channel_id):members()
        if not members then return absent(word) end
        return members
    end,
})

-- "channelId userId" → "owner", "moderator" or "member"; false: not a member. (A channel id has no space.)
cache.roles = stoa.cache("roles", {
    ttl = 5 * 60,
    shared = true,
    load = function(key)
        local channel_id, user_id = key:match("^(%S+) (.+)$")
        local member, word = stoa.channel(channel_id):member(user_id)
        if not member then return absent(word) end
        return member.role
    end,
})

-- The role of a user in a channel.
function cache.role(channel_id, user_id)
    return cache.roles:get(channel_id .. " " .. user_id)
end

function cache.forget_member(channel_id, user_id)
    cache.roles:remove(channel_id .. " " .. user_id)
    cache.members:remove(channel_id)
    cache.channels:remove(channel_id) -- it has the number of members
end

return cache
