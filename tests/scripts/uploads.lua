-- SPDX-License-Identifier: Apache-2.0
-- Says where files go, for limits_spec.lua.
local stoa = require "stoa"

stoa.hook("upload", function(_, arguments)
    return { url = "https://files.example.org/" .. arguments.name }
end)
