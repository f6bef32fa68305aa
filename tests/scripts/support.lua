-- SPDX-License-Identifier: Apache-2.0
-- What the specs of the shipped scripts share.
local testing = require "stoa.testing"

local support = {}

local shipped = { "auth", "rate_limit", "admission", "chat", "presence", "sharding", "rest", "notify", "alerts" }

support.KEY = "a-key-of-the-tests"
support.SECRET = "0123456789abcdef0123456789abcdef"

-- A server with the shipped scripts and the scripts in `more`; settings as in the configuration file.
function support.world(settings, more)
    local scripts = {}
    for i, name in ipairs(shipped) do scripts[i] = "scripts/" .. name .. ".lua" end
    for _, path in ipairs(more or {}) do scripts[#scripts + 1] = path end
    local config = { api_keys = { support.KEY }, auth = { mode = "development" } }
    for key, value in pairs(settings or {}) do config[key] = value end
    return testing.new { scripts = scripts, config = config }
end

-- A client with the user id `name` in development mode.
function support.client(world, name)
    local client, refusal = world:connect { auth = { user = name } }
    assert(client, refusal and refusal[1])
    return client
end

function support.join(client, channel_id, since)
    local ack = client:emit("channel:join", { channelId = channel_id, since = since })
    assert(ack.ok, ack.error and ack.error.code)
    return ack
end

local sent = 0

function support.message(channel_id, content, more)
    sent = sent + 1
    local arguments = { channelId = channel_id, clientId = "c" .. sent, content = content }
    for key, value in pairs(more or {}) do arguments[key] = value end
    return arguments
end

function support.send(client, channel_id, content, more)
    return client:emit("message:send", support.message(channel_id, content, more))
end

-- status, body of a REST request with the key.
function support.api(world, method, path, body)
    return world:http(method, path, body, { authorization = "Bearer " .. support.KEY })
end

-- The error code of an answer; "ok" if there is none.
function support.code(answer)
    return answer.ok and "ok" or answer.error.code
end

-- For events that come later (presence, coalesced typing): moves the clock until `find` returns something, at most that
-- many seconds.
function support.eventually(world, seconds, find)
    for _ = 0, seconds * 10 do
        local found = find()
        if found then return found end
        world:advance(0.1)
    end
    error("it did not happen within " .. seconds .. " s", 2)
end

return support
