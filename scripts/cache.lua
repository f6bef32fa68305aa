-- SPDX-License-Identifier: Apache-2.0
-- What is kept in memory, and for how long. Files require this one; it is not listed in the configuration.
--
-- Each worker has its own memory; of a shared cache all workers of the fleet have a copy in Redis too, so that one load
-- serves all. A time to live is only the last resort: whoever changes something removes its entry, everywhere, and a
-- load that was under way then is not kept.
--
-- What is not here, and why: a channel's messages are its log's, by sequence number. Presence, and who of a channel is
-- online, is the workers' own knowledge: it moves by events and is never read from elsewhere. A user's list of channels
-- carries unread counters, which change with each message. A session's token is looked up when someone connects: a
-- deleted one must open nothing from then on, and what it opened is closed by the deletion itself.
local stoa = require "stoa"

local cache = {}

-- That there is none is worth remembering too; a failure is not.
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

-- channelId → {channelId, name, visibility, members}; false: no such channel. What moves with each message (seq) is
-- not to be read from here.
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

-- "channelId userId" → "owner", "moderator" or "member"; false: not a member. (A channel's id holds no space.)
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
    cache.channels:remove(channel_id) -- its number of members
end

return cache
