-- Messages: sending, changing and reading them. message:send is the hot path: one check of the limits, which come before
-- anything is looked at or looked up, one of the arguments, then the append, which answers after the commit.
local stoa = require "stoa"
local access = require "chat_access"
local protocol = require "protocol"

local given, take = protocol.given, protocol.take
local messages = {}

-- A reply is to something that is there: true, or nil, word.
local function check_thread(channel, arguments)
    local thread_id = given(arguments.threadId)
    if not thread_id then return true end
    local root, word = channel:message(thread_id)
    return root and true, word
end

-- An edit says as much as a message, is kept as long and told to as many.
local function take_to_say(socket, channel)
    return take(socket, { user_messages = socket.user_id, channel_messages = channel.id, global_messages = "all" })
end

local function take_to_change(socket)
    return take(socket, { changes = socket.user_id })
end

-- Whatever way it comes, what is said asks the same hooks. They may change it, so it is looked at again.
local function may_say(sender, arguments, check)
    local passed, word, detail = check(arguments)
    if not passed then return nil, word end
    passed, word, detail = stoa.ask("send", sender, arguments)
    if not passed then return nil, word, detail end
    return check(arguments)
end

-- A message of anyone: of a client's socket, or of the REST interface (rest.lua), which has none.
function messages.say(sender, channel, client_id, arguments, socket)
    local passed, word, detail = may_say(sender, arguments, protocol.check_message)
    if not passed then return nil, word, detail end
    passed, word = check_thread(channel, arguments)
    if not passed then return nil, word end
    local receipt, failure = channel:append {
        kind = "message",
        follower = socket,
        userId = sender.user_id,
        clientId = client_id,
        content = arguments.content,
        threadId = given(arguments.threadId),
        attachments = given(arguments.attachments),
    }
    if receipt and not receipt.duplicate then stoa.tell("deliver", sender, arguments, receipt) end
    return receipt, failure
end

protocol.on("message:send", function(socket, arguments)
    local channel, word, detail = access.joined(socket, arguments)
    if not channel then return nil, word, detail end
    local client_id = arguments.clientId
    if not protocol.is_id(client_id) then return nil, "bad_request" end
    local passed
    passed, word, detail = take_to_say(socket, channel)
    if not passed then return nil, word, detail end
    return messages.say(socket, channel, client_id, arguments, socket)
end)

-- What edits, deletes and reactions have in common: {channelId, messageId, clientId?} of a channel that is followed.
local function target(socket, arguments, take_limits)
    local channel, word, detail = access.joined(socket, arguments)
    if not channel then return nil, word, detail end
    local client_id = given(arguments.clientId)
    if not protocol.is_id(arguments.messageId) or client_id and not protocol.is_id(client_id) then
        return nil, "bad_request"
    end
    local passed
    passed, word, detail = take_limits(socket, channel)
    if not passed then return nil, word, detail end
    return channel
end

local function check_edit(arguments)
    return protocol.check_content(arguments.content)
end

protocol.on("message:edit", function(socket, arguments)
    local channel, word, detail = target(socket, arguments, take_to_say)
    if not channel then return nil, word, detail end
    local client_id, message_id = given(arguments.clientId), arguments.messageId
    local passed
    passed, word, detail = may_say(socket, arguments, check_edit)
    if not passed then return nil, word, detail end
    local message, failure = channel:message(message_id)
    if not message then return nil, failure end
    if message.userId ~= socket.user_id then return nil, "forbidden" end
    return channel:append {
        kind = "edit",
        follower = socket,
        userId = socket.user_id,
        clientId = client_id,
        messageId = message.id,
        content = arguments.content,
    }
end)

protocol.on("message:delete", function(socket, arguments)
    local channel, word, detail = target(socket, arguments, take_to_change)
    if not channel then return nil, word, detail end
    local message, failure = channel:message(arguments.messageId)
    if not message then return nil, failure end
    local allowed, reason = access.may_delete(socket.user, channel.id, message.userId)
    if not allowed then return nil, reason end
    local receipt
    receipt, word = channel:append {
        kind = "delete",
        follower = socket,
        userId = socket.user_id,
        clientId = given(arguments.clientId),
        messageId = message.id,
    }
    if receipt and not receipt.duplicate then
        access.audit("message.delete", socket.user_id, channel.id, { messageId = message.id, author = message.userId })
    end
    return receipt, word
end)

for event, kind in pairs { ["reaction:add"] = "reaction_add", ["reaction:remove"] = "reaction_remove" } do
    protocol.on(event, function(socket, arguments)
        local channel, word, detail = target(socket, arguments, take_to_change)
        if not channel then return nil, word, detail end
        if not protocol.is_emoji(arguments.emoji) then return nil, "bad_request" end
        return channel:append {
            kind = kind,
            follower = socket,
            userId = socket.user_id,
            clientId = given(arguments.clientId),
            messageId = arguments.messageId,
            emoji = arguments.emoji,
        }
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
