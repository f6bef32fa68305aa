-- SPDX-License-Identifier: Apache-2.0
-- Messages: sending, changing and reading them. message:send is the hot path: it charges the limits before it checks or
-- looks up anything, then checks the arguments, then appends. The answer is sent after the commit.
local stoa = require "stoa"
local access = require "chat_access"
local protocol = require "protocol"

local EMOJI_MAX_BYTES = 64
local SHORT_BYTES = 4096 -- content up to this size is bounded by the number of messages alone
local given, take = protocol.given, protocol.take
local messages = {}

-- ---- appending without duplicates ----
--
-- An attempt: {channel, sender, arguments, what, limits?, says?, check?, may?}.
-- - sender: the socket, or the sender that rest.lua passes
-- - what: the argument of channel:append, without the content
-- - limits: what the client is charged; nil for REST
-- - says: names of the arguments that are content, which hooks may change
-- - check(arguments): are the content arguments well-formed?
-- - may(attempt): does everything else hold? Called last.

local MESSAGE, EDIT = { "content", "threadId", "attachments" }, { "content" }

-- An edit costs as much as a message: it is as large, is kept as long and goes to as many users.
local function to_say(socket, channel)
    return { user_messages = socket.user_id, channel_messages = channel.id, global_messages = "all" }
end

local function to_change(socket)
    return { changes = socket.user_id }
end

local function is_short(value)
    return type(value) == "string" and #value <= SHORT_BYTES
end

-- Notes the content as the client sent it, before hooks change it, and its size.
local function note_said(attempt)
    local said, bytes = {}, 0
    for _, name in ipairs(attempt.says) do
        local value = given(attempt.arguments[name])
        local text = is_short(value) and value or value and stoa.json.encode(value) or ""
        said[name] = type(value) == "table" and stoa.raw(text) or value
        bytes = bytes + #text
    end
    attempt.what.said, attempt.bytes = said, bytes
end

local function take_bytes(attempt)
    if not attempt.limits or attempt.bytes <= SHORT_BYTES then return true end
    local limits = { user_bytes = attempt.what.userId, channel_bytes = attempt.channel.id }
    local passed, word, detail = take(attempt.sender, limits, attempt.bytes)
    attempt.taken = passed and limits
    return passed, word, detail
end

local function say(attempt, said)
    for _, name in ipairs(attempt.says or {}) do attempt.what[name] = given(said[name]) end
end

-- Hooks may change the content, so it is checked again after them.
local function ask(attempt)
    local passed, word, detail = attempt.check(attempt.arguments)
    if not passed then return nil, word end
    note_said(attempt)
    passed, word, detail = take_bytes(attempt)
    if not passed then return nil, word, detail end
    passed, word, detail = stoa.ask("send", attempt.sender, attempt.arguments)
    if not passed then return nil, word, detail end
    return attempt.check(attempt.arguments)
end

local function permit(attempt)
    local passed, word, detail = true, nil, nil
    if attempt.limits then passed, word, detail = take(attempt.sender, attempt.limits) end
    if passed and attempt.check then passed, word, detail = ask(attempt) end
    if passed and attempt.may then return attempt.may(attempt) end
    return passed, word, detail
end

-- To find long content in the log, the store must read it: long_repeats in rate_limit.lua bounds how often.
local function look_limits(attempt)
    local user_id, content = attempt.what.userId, given(attempt.arguments.content)
    return { reads = user_id, long_repeats = content ~= nil and not is_short(content) and user_id or nil }
end

-- Does the log have the event already? A client that lost the answer sends it again, and is charged a read.
local function is_there(attempt)
    local what = attempt.what
    if not what.clientId then return false end
    if attempt.limits and not stoa.take(look_limits(attempt)) then return false end
    if attempt.check and not what.said then
        if not attempt.check(attempt.arguments) then return false end
        note_said(attempt)
    end
    say(attempt, what.said)
    return attempt.channel:appended(what)
end

-- Appends; an event that is in the log already gets the answer of the first time. No limit and no hook refuses such a
-- repeat, and it is charged as a read.
local function append(attempt)
    local what, limits = attempt.what, attempt.limits
    local permitted, word, detail = permit(attempt)
    if permitted then
        say(attempt, attempt.arguments)
    else
        local there, reason = is_there(attempt)
        if reason == "id_conflict" then return nil, reason end
        if not there then return nil, word, detail end
    end
    local receipt, failure = attempt.channel:append(what)
    if not receipt then return nil, failure end
    if receipt.duplicate and permitted and limits and stoa.take { reads = what.userId } then
        stoa.give_back(limits)
        if attempt.taken then stoa.give_back(attempt.taken, attempt.bytes) end
    end
    return receipt
end

-- ---- messages ----

-- The message that a reply names must exist: true, or nil, word.
local function check_thread(attempt)
    local thread_id = given(attempt.arguments.threadId)
    if not thread_id then return true end
    local root, word = attempt.channel:message(thread_id)
    return root and true, word
end

-- Sends a message of a client (socket, which follows the channel and has limits) or of the REST interface (no socket).
function messages.say(sender, channel, client_id, arguments, socket)
    local receipt, word, detail = append {
        channel = channel,
        sender = sender,
        arguments = arguments,
        what = { kind = "message", follower = socket, userId = sender.user_id, clientId = client_id },
        limits = socket and to_say(socket, channel),
        says = MESSAGE,
        check = protocol.check_message,
        may = check_thread,
    }
    if receipt and not receipt.duplicate then stoa.tell("deliver", sender, arguments, receipt) end
    return receipt, word, detail
end

protocol.on("message:send", function(socket, arguments)
    local channel, word, detail = access.joined(socket, arguments)
    if not channel then return nil, word, detail end
    if not protocol.is_id(arguments.clientId) then return nil, "bad_request" end
    return messages.say(socket, channel, arguments.clientId, arguments, socket)
end)

-- What edits, deletes and reactions share: {channelId, messageId, clientId?} in a channel that the socket follows.
-- Returns the attempt, or nil, word, detail.
local function change(kind, socket, arguments, limits)
    local channel, word, detail = access.joined(socket, arguments)
    if not channel then return nil, word, detail end
    local client_id, message_id = given(arguments.clientId), arguments.messageId
    if not protocol.is_id(message_id) or client_id and not protocol.is_id(client_id) then return nil, "bad_request" end
    return {
        channel = channel,
        sender = socket,
        arguments = arguments,
        what = { kind = kind, follower = socket, userId = socket.user_id, clientId = client_id, messageId = message_id },
        limits = limits(socket, channel),
    }
end

local function check_edit(arguments)
    return protocol.check_content(arguments.content)
end

local function is_author(attempt)
    local message, word = attempt.channel:message(attempt.what.messageId)
    if not message then return nil, word end
    return message.userId == attempt.what.userId or nil, "forbidden"
end

protocol.on("message:edit", function(socket, arguments)
    local attempt, word, detail = change("edit", socket, arguments, to_say)
    if not attempt then return nil, word, detail end
    attempt.says, attempt.check, attempt.may = EDIT, check_edit, is_author
    return append(attempt)
end)

local function may_delete(attempt)
    local message, word = attempt.channel:message(attempt.what.messageId)
    if not message then return nil, word end
    attempt.author = message.userId
    return access.may_delete(attempt.sender.user, attempt.channel.id, message.userId)
end

protocol.on("message:delete", function(socket, arguments)
    local attempt, word, detail = change("delete", socket, arguments, to_change)
    if not attempt then return nil, word, detail end
    attempt.may = may_delete
    local receipt
    receipt, word, detail = append(attempt)
    if receipt and not receipt.duplicate then
        local trace = { messageId = attempt.what.messageId, author = attempt.author }
        access.audit("message.delete", socket.user_id, attempt.channel.id, trace)
    end
    return receipt, word, detail
end)

-- A reaction that was added under older rules may still be removed.
local function may_be_reaction(value)
    return protocol.is_text(value, EMOJI_MAX_BYTES) and value ~= ""
end

for event, reaction in pairs {
    ["reaction:add"] = { kind = "reaction_add", fits = stoa.is_grapheme },
    ["reaction:remove"] = { kind = "reaction_remove", fits = may_be_reaction },
} do
    protocol.on(event, function(socket, arguments)
        local attempt, word, detail = change(reaction.kind, socket, arguments, to_change)
        if not attempt then return nil, word, detail end
        if not reaction.fits(arguments.emoji) then return nil, "bad_request" end
        attempt.what.emoji = arguments.emoji
        return append(attempt)
    end)
end

-- A page of a channel's or a thread's messages, oldest first.
local function read(socket, arguments, thread_id)
    local channel, word, detail = access.seen(socket, arguments, "reads")
    if not channel then return nil, word, detail end
    local page, reason = protocol.page(arguments)
    if not page or thread_id and not protocol.is_id(thread_id) then return nil, reason or "bad_request" end
    page.threadId = thread_id
    return channel:messages(page)
end

protocol.on("history:get", function(socket, arguments)
    return read(socket, arguments, given(arguments.threadId))
end)

protocol.on("thread:get", function(socket, arguments)
    return read(socket, arguments, given(arguments.threadId) or "")
end)

return messages
