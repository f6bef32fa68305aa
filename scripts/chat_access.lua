-- SPDX-License-Identifier: Apache-2.0
-- Who may see, join and change a channel, and how membership changes.
local stoa = require "stoa"
local cache = require "cache"
local protocol = require "protocol"

local access = {}

local development = stoa.config.auth.mode == "development"
local creating = {} -- ids of channels that are being created

-- Does the token name the channel, by its id ("course-7") or by a prefix ("course-*")?
local function claimed(user, channel_id)
    for _, pattern in ipairs(user.channels or {}) do
        if pattern == channel_id then return true end
        if pattern:sub(-1) == "*" and channel_id:sub(1, #pattern - 1) == pattern:sub(1, -2) then return true end
    end
    return false
end

-- May the user read the channel? true, or nil, word. A private channel takes the same steps as one that does not exist,
-- so that neither the answer nor its timing tells them apart.
function access.may_see(user, channel_id)
    local channel, word = cache.channels:get(channel_id)
    if channel == nil then return nil, word end
    if channel and channel.visibility == "public" then return true end
    local role, reason = cache.role(channel_id, user.id)
    if role == nil then return nil, reason end
    if channel and (role or claimed(user, channel_id)) then return true end
    return nil, "forbidden"
end

-- May the user join the channel? In development mode, joining a channel that does not exist creates it as a public one.
function access.may_join(user, channel_id)
    local visible, word = access.may_see(user, channel_id)
    if visible or word ~= "forbidden" or not development then return visible, word end
    local channel, reason = cache.channels:get(channel_id)
    if channel == nil then return nil, reason end
    -- Another user's join may have created the channel since may_see looked.
    return not channel or channel.visibility == "public" or nil, "forbidden"
end

-- Only the author may edit a message; moderators and owners may delete it too.
function access.may_delete(user, channel_id, author)
    if user.id == author then return true end
    local role, word = cache.role(channel_id, user.id)
    if role == "owner" or role == "moderator" then return true end
    return nil, role == nil and word or "forbidden"
end

-- The channel, if the socket follows it. A socket that may join but has not is told "not_joined" and when to try again,
-- because after a reconnect a client may resend events before it joins. That check is charged as a read.
function access.joined(socket, arguments)
    local channel_id, word, detail = protocol.channel_id(arguments)
    if not channel_id then return nil, word end
    local channel = stoa.channel(channel_id)
    if channel:followed_by(socket) then return channel end
    local allowed
    allowed, word, detail = protocol.take(socket, { reads = socket.user_id })
    if not allowed then return nil, word, detail end
    allowed, word = access.may_join(socket.user, channel_id)
    if allowed then return nil, "not_joined", { retryAfter = 1 } end
    return nil, word
end

-- The channel, if the user may read it. limit: the name of the limit that is charged before the look-up.
function access.seen(socket, arguments, limit)
    local channel_id, word, detail = protocol.channel_id(arguments)
    if not channel_id then return nil, word end
    local passed
    passed, word, detail = protocol.take(socket, { [limit] = socket.user_id })
    if not passed then return nil, word, detail end
    local visible, reason = access.may_see(socket.user, channel_id)
    if not visible then return nil, reason end
    return stoa.channel(channel_id)
end

local function put_member(channel_id, user_id, role, actor)
    local done, word = stoa.channel(channel_id):put_member(user_id, role)
    cache.forget_member(channel_id, user_id)
    if not done then return nil, word end
    stoa.tell("member", { action = "put", channelId = channel_id, userId = user_id, role = role, actor = actor })
    return true
end

-- Creates or changes the channel: its info, or nil, word.
local function put(channel_id, changes, actor)
    local known = cache.channels:get(channel_id)
    local channel, word = stoa.channel(channel_id):put(changes)
    cache.channels:remove(channel_id)
    if channel and known == false then
        stoa.tell("channel:created", {
            channelId = channel_id,
            name = channel.name,
            visibility = channel.visibility,
            actor = actor,
        })
    end
    return channel, word
end

local function create(channel_id, user_id)
    local first = not creating[channel_id] -- if several users create it at once, the first becomes the owner
    creating[channel_id] = true
    local channel, word = put(channel_id, { name = channel_id, visibility = "public" }, user_id)
    if channel and first then channel, word = put_member(channel_id, user_id, "owner", user_id) end
    if first then creating[channel_id] = nil end
    cache.roles:remove(channel_id .. " " .. user_id)
    return channel and true, word
end

-- Makes a user who joins a public channel a member, so that their list of channels has it. A user who joins by a claim
-- of their token does not become a member, because the membership would outlive the token.
function access.enrol(user, channel_id)
    local channel, word = cache.channels:get(channel_id)
    if channel == nil then return nil, word end
    if not channel then
        local allowed, reason, detail = stoa.take { channel_creations = user.id }
        if not allowed then return nil, reason, detail end
        local done, failure = create(channel_id, user.id)
        if not done then return nil, failure end
    elseif channel.visibility ~= "public" then
        return true
    end
    local role, reason = cache.role(channel_id, user.id)
    if role == nil then return nil, reason end
    return role and true or put_member(channel_id, user.id, "member", user.id)
end

-- The number of members; 0 if it is unknown.
function access.members(channel_id)
    local channel = cache.channels:get(channel_id)
    return channel and channel.members or 0
end

function access.audit(action, actor, channel_id, detail)
    local written, word = stoa.audit.write(action, { actor = actor, channelId = channel_id, detail = detail })
    if not written then stoa.log.error("audit.lost", { action = action, actor = actor, reason = word }) end
end

-- Sets a member's role, tells the user and the channel, and writes to the audit trail.
function access.set_role(channel_id, user_id, role, actor)
    local done, word = put_member(channel_id, user_id, role, actor)
    if not done then return nil, word end
    local news = { channelId = channel_id, userId = user_id, role = role }
    stoa.channel(channel_id):emit("channel:joined", news)
    stoa.channel(channel_id):tell_absent(user_id, "channel:joined", news)
    access.audit("member.put", actor, channel_id, { userId = user_id, role = role })
    return true
end

-- Ends a membership. The user may join a public channel again, as anyone may, but not a private one.
function access.remove_member(channel_id, user_id, actor)
    local done, word = stoa.channel(channel_id):remove_member(user_id)
    cache.forget_member(channel_id, user_id)
    if not done then return nil, word end
    local news = { channelId = channel_id, userId = user_id, reason = "removed" }
    stoa.channel(channel_id):expel(user_id, "channel:left", news)
    stoa.channel(channel_id):emit("channel:left", news)
    stoa.tell("member", { action = "removed", channelId = channel_id, userId = user_id, actor = actor })
    access.audit("member.remove", actor, channel_id, { userId = user_id })
    return true
end

-- Creates or changes a channel: {name?, visibility?}. If it becomes private, its followers stay: all are members.
function access.put_channel(channel_id, changes, actor)
    local channel, word = put(channel_id, changes, actor)
    if not channel then return nil, word end
    access.audit("channel.put", actor, channel_id, changes)
    return channel
end

-- A recovered socket keeps its channels: unfollows those that its user may no longer see.
function access.check_again(socket)
    for _, room in ipairs(socket:rooms()) do
        local channel_id = room:match("^channel:(.+)$")
        if channel_id and not access.may_see(socket.user, channel_id) then stoa.channel(channel_id):unfollow(socket) end
    end
end

return access
