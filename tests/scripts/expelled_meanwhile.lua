-- SPDX-License-Identifier: Apache-2.0
-- A hook during which the sender leaves, or is removed, or both, for access_spec.lua.
local stoa = require "stoa"

local goes = { gone = true, ["late, and going"] = true, ["late, and gone"] = true }
local removed = { late = true, ["late, and going"] = true, ["late, and gone"] = true }

stoa.hook("send", function(socket, arguments)
    local user_id = socket.user_id
    if goes[arguments.content] then
        socket:disconnect()
        while arguments.content:find("gone") and select(2, socket:state()) ~= "gone" do stoa.sleep(0.01) end
    end
    if removed[arguments.content] then
        local channel = stoa.channel(arguments.channelId)
        channel:remove_member(user_id)
        channel:expel(user_id, "channel:left", { channelId = channel.id, userId = user_id })
    end
    stoa.shared.set("heard", arguments.content)
    return true
end)

stoa.route("GET", "/tools/heard", function()
    return 200, { last = stoa.shared.get("heard") }
end)
