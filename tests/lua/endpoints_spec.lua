-- SPDX-License-Identifier: Apache-2.0
-- Endpoints of scripts: what a client of stoa.websocket sends and receives, and what scripts are told.
local support = require "tests.lua.support"
local testing = require "stoa.testing"

local LOG = [[
    local stoa = require "stoa"
    local heard = {}
    stoa.route("GET", "/heard", function() local was = heard heard = {} return 200, stoa.array(was) end)
]]

local function heard(world)
    local _, list = world:http("GET", "/heard")
    return list
end

local ECHO = LOG .. [[
    stoa.websocket("/echo", {
        open = function(connection, request)
            heard[#heard + 1] = "open " .. request.path .. " " .. tostring(request.protocol)
            if request.query.token == "bad" then return nil, "who are you?" end
            if request.query.token == "crash" then error("no") end
            if request.query.token == "false" then return false end
        end,
        message = function(connection, message) return connection:send(message) end,
        close = function(connection, code, reason)
            heard[#heard + 1] = "close " .. code .. " " .. reason .. " " .. tostring(select(2, connection:send("late")))
        end,
    })
]]

describe("a raw WebSocket endpoint", function()
    it("keeps text and bytes apart, and tells of open and close", function()
        local world = support.world(ECHO)
        local alice = assert(world:websocket("/echo", { protocol = "v1" }))
        alice:send("hello")
        assert.equal("hello", alice:receive())
        alice:send(testing.binary("\0\255"))
        assert.equal(testing.binary("\0\255"), alice:receive())
        alice:close(4001, "bye")
        assert.same({ "open /echo v1", "close 4001 bye gone" }, heard(world))
        assert.is_nil(world:websocket("/other"))
        world:close()
    end)

    it("is refused by open, and close is not told of it", function()
        local world = support.world(ECHO)
        testing.capture_log()
        local eve = world:websocket("/echo", { query = { token = "bad" } })
        eve:send("let me in")
        assert.same({ 1008, "who are you?" }, { eve:closed() })
        assert.is_nil(eve:receive())
        local unlucky = world:websocket("/echo", { query = { token = "crash" } })
        assert.same({ 1011, "the handler failed" }, { unlucky:closed() })
        local nobody = world:websocket("/echo", { query = { token = "false" } })
        assert.same({ 1008, "refused" }, { nobody:closed() })
        assert.same({ "open /echo nil", "open /echo nil", "open /echo nil" }, heard(world))
        world:close()
    end)

    it("answers a connection's messages one by one, after open", function()
        local world = support.world(LOG .. [[
            stoa.websocket("/slow", {
                open = function() stoa.sleep(1) heard[#heard + 1] = "open" end,
                message = function(connection, message)
                    heard[#heard + 1] = message
                    stoa.sleep(1)
                    heard[#heard + 1] = message .. " done"
                end,
            })
        ]])
        local alice = world:websocket("/slow")
        alice:send("one")
        alice:send("two")
        assert.same({}, heard(world))
        world:advance(1.1)
        assert.same({ "open", "one" }, heard(world))
        world:advance(1.1)
        assert.same({ "one done", "two" }, heard(world))
        world:close()
    end)

    it("is closed with the script's code, after all it sent", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.websocket("/door", { message = function(connection, message)
                connection:send("last words")
                local code = tonumber(message)
                local ok, problem = pcall(connection.close, connection, code, "so be it")
                if not ok then connection:send("refused") end
            end })
        ]]
        for _, code in ipairs { 1000, 1001, 1003, 1007, 1014, 3000, 4999 } do
            local alice = world:websocket("/door")
            alice:send(tostring(code))
            assert.equal("last words", alice:receive())
            assert.same({ code, "so be it" }, { alice:closed() })
        end
        for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1010, 1015, 2999, 5000, 1000.5 } do
            local alice = world:websocket("/door")
            alice:send(tostring(code))
            alice:receive()
            assert.equal("refused", alice:receive())
            assert.is_nil(alice:closed())
        end
        world:close()
    end)

    it("takes part in rooms with raw messages and JSON events", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.on("join", function(socket) return socket:join("lobby") end)
            stoa.websocket("/feed", {
                open = function(connection) return connection:join("lobby") end,
                message = function(connection, message)
                    if message == "leave" then return connection:leave("lobby") end
                    if message == "news" then return stoa.to("lobby"):emit("news", { text = "é" }) end
                    stoa.to("lobby"):send(message)
                end,
            })
        ]]
        local alice, bob, carol = world:websocket("/feed"), world:websocket("/feed"), assert(world:connect())
        carol:emit("join")
        alice:send('say "hi"\n')
        alice:send(testing.binary("\1\2"))
        alice:send("news")
        for _, raw in ipairs { alice, bob } do
            assert.equal('say "hi"\n', raw:receive())
            assert.equal(testing.binary("\1\2"), raw:receive())
            assert.equal('{"type":"event","event":"news","args":[{"text":"é"}]}', raw:receive())
        end
        assert.same({ { "message", 'say "hi"\n' }, { "message", testing.binary("\1\2") }, { "news", { text = "é" } } },
            carol:events())
        bob:send("leave")
        alice:send("gone?")
        assert.equal("gone?", alice:receive())
        assert.is_nil(bob:receive())
        world:close()
    end)

    it("goes on with the next generation's handlers, unless its path is gone", function()
        local world = support.world(ECHO)
        local alice = world:websocket("/echo")
        local answer = "local stoa = require 'stoa' stoa.websocket('%s', {message = function(c) c:send('new') end})"
        assert(support.reload(world, answer:format("/echo")))
        alice:send("who?")
        assert.equal("new", alice:receive())
        assert(support.reload(world, answer:format("/elsewhere")))
        assert.same({ 1001, "endpoint gone" }, { alice:closed() })
        world:close()
    end)

    it("sends no invalid text", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.websocket("/try", { message = function(connection)
                for _, wrong in ipairs { "\255", 7, {}, "\237\160\128" } do
                    if pcall(connection.send, connection, wrong) or pcall(stoa.to("x").send, stoa.to("x"), wrong) then
                        connection:send("sent")
                    end
                end
                connection:send("over")
            end })
        ]]
        local alice = world:websocket("/try")
        alice:send("go")
        assert.equal("over", alice:receive())
        world:close()
    end)

    it("must be described correctly, or loading fails", function()
        local load = "require('stoa').websocket(%s)"
        assert.matches("no option 'mesage'", support.load_error(load:format("'/x', {mesage = print}")))
        assert.matches("message: a function expected", support.load_error(load:format("'/x', {}")))
        assert.matches("protocols: tokens", support.load_error(load:format("'/x', {message = print, protocols = {'a b'}}")))
        assert.matches("max_bytes", support.load_error(load:format("'/x', {message = print, max_bytes = 1e9}")))
        assert.matches("is the server's own", support.load_error(load:format("'/ws', {message = print}")))
        assert.matches("is the server's own", support.load_error(load:format("'/socket.io/x', {message = print}")))
        assert.matches("is there already", support.load_error(load:format("'/x', {message = print}") .. " "
            .. load:format("'/x', {message = print}")))
    end)
end)

describe("a bare engine", function()
    it("has open and close as well", function()
        local world = support.world(LOG .. [[
            stoa.engine("/engine.io/", {
                open = function(connection, request) if request.query.token == "bad" then return nil, "no" end end,
                message = function(connection, message) connection:close(4002, message) end,
                close = function(connection, code, reason) heard[#heard + 1] = code .. " " .. reason end,
            })
        ]])
        local eve = world:websocket("/engine.io/", { query = { token = "bad" } })
        assert.same({ 1008, "no" }, { eve:closed() })
        local alice = world:websocket("/engine.io/")
        alice:send("4enough")
        assert.same({ 4002, "enough" }, { alice:closed() })
        assert.same({ "4002 enough" }, heard(world))
        world:close()
    end)
end)
