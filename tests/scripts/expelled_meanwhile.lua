-- A hook during which somebody else removes the sender, for access_spec.lua.
local stoa = require "stoa"

stoa.hook("send", function(socket, arguments)
    if arguments.content == "late" then
        local channel = stoa.channel(arguments.channelId)
        channel:remove_member(socket.user_id)
        channel:expel(socket.user_id, "channel:left", { channelId = channel.id, userId = socket.user_id })
    end
    return true
end)
