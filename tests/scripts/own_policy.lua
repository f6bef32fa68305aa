-- SPDX-License-Identifier: Apache-2.0
-- An operator's own hooks, for hooks_spec.lua.
local stoa = require "stoa"

stoa.hook("send", function(sender, arguments)
    if type(arguments.content) == "table" then
        arguments.content.number = stoa.shared.add("numbered", 1)
        return true
    end
    if arguments.content == "numbered" then arguments.content = "number " .. stoa.shared.add("numbered", 1) end
    if arguments.content == "silence" then return end
    if arguments.content:find("only once", 1, true) then
        return stoa.shared.add("said " .. arguments.content, 1) == 1 or nil, "Once is enough."
    end
    if arguments.content == "spam" then return nil, "No spam, please." end
    if arguments.content == "long" then arguments.content = ("x"):rep(300000) end
    if arguments.content == "damn" then
        arguments.content, arguments.attachments = "d***", stoa.array { { by = sender.user_id } }
        arguments.channelId, arguments.clientId, arguments.messageId, arguments.userId = "x", "x", "x", "x"
    end
    return true
end)

for _, point in ipairs { "channel:created", "member" } do
    stoa.hook(point, function(what) stoa.emit("told", point, what) end)
end
stoa.hook("leave", function(socket, channel_id) stoa.emit("told", "leave", { socket.user_id, channel_id }) end)
stoa.hook("deliver", function(sender, arguments) stoa.emit("delivered", sender.user_id, arguments.channelId, arguments.content) end)
