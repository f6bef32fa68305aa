-- SPDX-License-Identifier: Apache-2.0
-- The recipe of docs/scripts.md, for admission_spec.lua.
local stoa = require "stoa"

stoa.hook("send", function(_, arguments)
    if type(arguments.content) ~= "string" or not arguments.content:find("https?://") then return true end
    return nil, "No links here, please."
end)
