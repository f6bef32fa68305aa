-- SPDX-License-Identifier: Apache-2.0
-- Notices: scripts are told, not asked, after the core has acted.
local testing = require "stoa.testing"
local support = require "tests.lua.support"

setup(testing.capture_log)

local function offline(word)
    return [[
        local stoa = require "stoa"
        stoa.hook("authenticate", function(handshake) return { id = handshake.auth.user } end)
        stoa.hook("connect", function(socket) stoa.presence.connected(socket) end)
        stoa.on("lives", function() return true end)
        stoa.hook("disconnect", function(socket, reason)
            stoa.log.error("told", { reason = reason })
            for _, other in ipairs(stoa.user(socket.user_id):sockets()) do other:]] .. word .. [[() end
        end)
    ]]
end

describe("a hook disconnect that ends the user's other sockets", function()
    for _, word in ipairs { "disconnect", "close" } do
        local world
        before_each(function()
            world = support.world(offline(word))
            testing.logged()
        end)
        after_each(function() world:close() end)

        it("hears of a socket whose place a second connection claims in vain: " .. word, function()
            local first = world:connect { auth = { user = "alice" } }
            local bob = world:connect { auth = { user = "bob" } }
            world:connect { auth = { user = "alice", pid = first.pid, offset = "none of ours" } }
            world:settle()
            assert.is_true((bob:emit "lives"))
            local _, times = testing.logged():gsub("told", "")
            assert.is_true(times >= 1)
            assert.is_true((assert(world:connect { auth = { user = "alice" } }):emit "lives"))
        end)

        it("hears of one of many that go at once: " .. word, function()
            local sockets = {}
            for i = 1, 5 do sockets[i] = assert(world:connect { auth = { user = "alice" } }) end
            sockets[3]:disconnect()
            world:settle()
            for i = 1, 5 do assert.is_false(sockets[i].connected) end
            local _, times = testing.logged():gsub("told", "")
            assert.equal(5, times)
            assert.is_true((assert(world:connect { auth = { user = "alice" } }):emit "lives"))
        end)
    end
end)
