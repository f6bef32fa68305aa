-- What is kept in memory, and for how long. Files require this one; it is not listed in the configuration.
--
-- A time to live is only the last resort: whoever changes something removes its entry, and a load that was under way
-- then is not kept. Messages are not here: their cache is the channel's log, by sequence number. A user's list of
-- channels is not either: it carries unread counters, which change with each message.
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
    load = function(channel_id)
        local channel, word = stoa.channel(channel_id):info()
        if not channel then return absent(word) end
        return channel
    end,
})

-- "channelId userId" → "owner", "moderator" or "member"; false: not a member. (Ids hold no spaces.)
cache.roles = stoa.cache("roles", {
    ttl = 5 * 60,
    load = function(key)
        local channel_id, user_id = key:match("^(%S+) (%S+)$")
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
    cache.channels:remove(channel_id) -- its number of members
end

return cache
