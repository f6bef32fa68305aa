-- SPDX-License-Identifier: Apache-2.0
-- Reports what the hook "deliver" is told, for admission_spec.lua.
local stoa = require "stoa"

stoa.hook("deliver", function(socket, arguments, receipt)
    stoa.sleep(1) -- delays nobody
    stoa.user(socket.user_id):emit("delivered", arguments.content, receipt.seq)
end)
stoa.hook("deliver", function() error("one hook's failure is no other's") end)
