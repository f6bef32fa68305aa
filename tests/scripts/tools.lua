-- SPDX-License-Identifier: Apache-2.0
-- Loaded beside the shipped scripts by specs that need a signed token.
local stoa = require "stoa"

stoa.route("POST", "/tools/sign", function(request)
    local body = stoa.json.decode(request.body)
    return 200, { token = stoa.jwt.sign(body.claims, body.secret) }
end)

stoa.route("GET", "/tools/audit", function()
    return 200, { rows = stoa.audit.list { limit = 100 } }
end)

stoa.route("GET", "/tools/now", function()
    return 200, stoa.now()
end)

stoa.route("GET", "/tools/tasks", function()
    return 200, stoa.stats().tasks
end)
