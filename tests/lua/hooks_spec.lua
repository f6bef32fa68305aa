-- SPDX-License-Identifier: Apache-2.0
-- Hooks: what scripts are asked and told.
local testing = require "stoa.testing"
local support = require "tests.lua.support"

setup(testing.capture_log)

describe("a hook", function()
    it("refuses with a message and data; the first refusal ends it", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.hook("authenticate", function(h) if h.auth.user == "mallory" then return nil, "no", { why = 1 } end end)
            stoa.hook("authenticate", function(h) if h.auth.user then return { id = h.auth.user } end end)
            stoa.hook("connect", function(socket) if socket.user.id == "eve" then return nil, "not today" end end)
            stoa.hook("connect", function(socket) socket:emit("second") end)
        ]]
        local _, refusal = world:connect { auth = { user = "mallory" } }
        assert.same({ "no", { why = 1 } }, { refusal.message, refusal.data })
        _, refusal = world:connect { auth = {} }
        assert.equal("unauthorized", refusal.message)
        _, refusal = world:connect { auth = { user = "eve" } }
        assert.equal("not today", refusal.message)
        assert.same({ { "second" } }, assert(world:connect { auth = { user = "alice" } }):events())
        world:close()
    end)

    it("that raises, or names no user, lets nobody in", function()
        for _, body in ipairs { "error('x')", "return {}", "return {id = 'a\\nb'}", "return {id = ('x'):rep(256)}", "return {id = '\\255'}", "return 7", "return {id = 7}" } do
            local world = support.world("require('stoa').hook('authenticate', function() " .. body .. " end)")
            local client = world:connect()
            assert.is_nil(client, body)
            world:close()
        end
    end)

    it("may wait, and is asked by scripts", function()
        local world = support.world([[
            local stoa = require "stoa"
            stoa.hook("join", function(socket, id) if id == "closed" then return nil, "forbidden", 7 end return stoa.sleep(0.001) end)
            stoa.hook("join", function(socket, id) return "second", id end)
            stoa.on("join", function(socket, id) return stoa.ask("join", socket, id) end)
            stoa.on("leave", function(socket, id) return stoa.ask("leave", socket, id) end)
        ]])
        local alice = world:connect()
        assert.same({ testing.null, "forbidden", 7 }, { alice:emit("join", "closed") })
        assert.same({ true }, { alice:emit("leave", "x") })
        alice:send("join", "open")
        world:settle()
        world:advance(1)
        world:close()
    end)

    it("that must decide and returns nothing is a script error", function()
        for _, point in ipairs { "admit", "join", "send", "upload" } do
            for _, body in ipairs { "", "return", "return nil", "return nil, nil" } do
                local world = support.world(([[
                    local stoa = require "stoa"
                    stoa.hook("%s", function() %s end)
                    stoa.on("ask", function() return { yes = stoa.ask("%s") } end)
                ]]):format(point, body, point))
                testing.logged()
                assert.equal("script_error", world:connect():emit("ask").error.code)
                local line = testing.logged()
                assert.matches("script%.lua:2: this hook '" .. point .. "' returned nothing: return true", line)
                assert.equal(1, select(2, line:gsub("script%.error", "")))
                world:close()
            end
        end
    end)

    it("that returns false without a word refuses", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.hook("join", function(_, answer) return answer end)
            stoa.hook("join", function() return "the second" end)
            stoa.on("ask", function(_, answer) return { stoa.ask("join", nil, answer) } end)
        ]]
        local alice = world:connect()
        assert.same({ false, "forbidden" }, alice:emit("ask", false))
        assert.same({ "the second" }, alice:emit("ask", true))
        world:close()
    end)

    it("of a connection accepts unless it refuses", function()
        local answers = { [""] = true, ["return"] = true, ["return true"] = true, ["return false"] = false,
            ["return nil"] = false, ["error('x')"] = false, ["return nil, 'no'"] = false }
        for body, comes in pairs(answers) do
            local world = support.world(("require('stoa').hook('connect', function() %s end)"):format(body))
            assert.equal(comes, world:connect() ~= nil, body)
            world:close()
        end
    end)

    it("that is only told keeps nothing from the next one, whatever it returns", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.hook("disconnect", function() return nil, "no" end)
            stoa.hook("disconnect", function(socket) stoa.emit("left", socket.id) end)
        ]]
        local alice, bob = world:connect(), world:connect()
        alice:disconnect()
        world:settle()
        assert.same({ "left", alice.id }, bob:events("left")[1])
        world:close()
    end)

    it("is told of a socket's end while the socket still exists", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.hook("disconnect", function(socket, reason) stoa.emit("left", socket.id, reason) end)
        ]]
        local alice, bob = world:connect(), world:connect()
        alice:disconnect()
        assert.same({ { "left", alice.id, "client namespace disconnect" } }, bob:events())
        world:close()
    end)
end)
