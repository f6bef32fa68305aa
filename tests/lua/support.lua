-- SPDX-License-Identifier: Apache-2.0
-- Worlds with scripts that a spec has as text.
local testing = require "stoa.testing"

local support = {}
local folder = os.tmpname()
os.remove(folder)
os.execute("mkdir " .. folder)
require("busted").subscribe({ "suite", "end" }, function() os.execute("rm -r " .. folder) return nil, true end)

local function write(name, text)
    local path = folder .. "/" .. name
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    return path
end
support.write = write

-- A world with these texts as scripts.
function support.world(...)
    local scripts = {}
    for i, text in ipairs { ... } do scripts[i] = write(i == 1 and "script.lua" or "script" .. i .. ".lua", text) end
    return testing.new { scripts = scripts, config = support.config }
end

function support.reload(world, text, config)
    return world:reload { scripts = { write("script.lua", text) }, config = config }
end

-- Why a script cannot be loaded.
function support.load_error(text)
    local started, message = pcall(support.world, text)
    if started then message:close() end
    assert(not started, "it was loaded")
    return message
end

-- A world whose script has only a handler "run" with the given body.
function support.handler(body, more)
    return support.world("local stoa = require 'stoa'\n" .. (more or "") .. "\nstoa.hook('authenticate', function(handshake) "
        .. "return {id = handshake.auth.user or 'guest', colour = 'red'} end)\n"
        .. "stoa.on('run', function(socket, ...) " .. body .. "\nend)")
end

-- The answer of a handler with this body; the error's code if it failed. Its log lines are not shown.
function support.ran(text, ...)
    local world = support.world("require('stoa').on('run', function(socket, ...) " .. text .. "\nend) "
        .. "require('stoa').on('lives', function() return true end)")
    local client = world:connect()
    local results = { client:emit("run", ...) }
    assert(client:emit("lives") == true, "the others do not live on")
    world:close()
    local first = results[1]
    if type(first) == "table" and first.ok == false and first.error then return first.error.code end
    return unpack(results)
end

return support
