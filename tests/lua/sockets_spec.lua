-- SPDX-License-Identifier: Apache-2.0
-- Sockets and rooms, as scripts use them.
local testing = require "stoa.testing"
local support = require "tests.lua.support"

setup(testing.capture_log)

-- A world whose script has only a handler "run" with the given body.
local function handler(body, more)
    return support.world("local stoa = require 'stoa'\n" .. (more or "") .. "\nstoa.hook('authenticate', function(handshake) "
        .. "return {id = handshake.auth.user or 'guest', colour = 'red'} end)\n"
        .. "stoa.on('run', function(socket, ...) " .. body .. "\nend)")
end

describe("a socket", function()
    local world, alice, bob
    after_each(function() world:close() end)
    local function open(body, more)
        world = handler(body, more)
        alice, bob = world:connect { auth = { user = "alice" } }, world:connect { auth = { user = "bob" } }
    end

    it("knows its client", function()
        open "return socket.id, socket.user, socket.user_id, socket.namespace, socket.handshake.secure, socket.connected, socket.recovered"
        assert.same({ alice.id, { id = "alice", colour = "red" }, "alice", "/", false, true, false }, { alice:emit("run") })
    end)

    it("has the user of its client's newest token", function()
        world = support.world [[
            local stoa = require "stoa"
            local kept, welcomed
            stoa.hook("authenticate", function(handshake) return { id = handshake.auth.user, token = handshake.auth.token } end)
            stoa.hook("connect", function(socket) welcomed = socket.user.token end)
            stoa.on("keep", function(socket) kept = socket return socket.user.token, socket.handshake.query.visit end)
            stoa.on("look", function() return kept.user.token, kept.handshake.query.visit, kept.recovered, welcomed end)
        ]]
        alice, bob = world:connect { auth = { user = "alice", token = "old" }, query = { visit = "1" } },
            world:connect { auth = { user = "bob" } }
        assert.same({ "old", "1" }, { alice:emit("keep") })
        alice:drop()
        assert.equal("old", (bob:emit("look")))
        alice.auth.token, alice.options.query.visit = "new", "2"
        assert(alice:reconnect())
        assert.same({ "new", "2", true, "new" }, { bob:emit("look") })
    end)

    it("brings what its client sent as auth until it is connected, not longer", function()
        open("return kept[socket], socket.handshake.auth", [[
            local kept = {}
            stoa.hook("connect", function(socket) kept[socket] = socket.handshake.auth end)
        ]])
        assert.same({ { user = "alice" }, {} }, { alice:emit("run") })
        alice:drop()
        assert(alice:reconnect())
        local kept, auth = alice:emit("run")
        assert.same({ "alice", {} }, { kept.user, auth })
        assert.equal(alice.pid, kept.pid)
    end)

    it("is one value as long as a script holds it", function()
        open("seen[socket] = (seen[socket] or 0) + 1 return seen[socket]", "local seen = {}")
        assert.equal(1, (alice:emit("run")))
        assert.equal(2, (alice:emit("run")))
        assert.equal(1, (bob:emit("run")))
    end)

    it("keeps its user when the client has gone, and answers gone", function()
        open("if ... then kept[1] = socket return true end local s = kept[1] "
            .. "local function word(_, word) return word end return s.user.id, s.connected, word(s:emit('x')), word(s:join('r')), "
            .. "word(s:state()), word(stoa.socket(s.id)), word(s:call('x')), word(s:disconnect())", "local kept = {}")
        alice:emit("run", true)
        alice:disconnect()
        assert.same({ "alice", false, "gone", "gone", "gone", "gone", "gone", "gone" }, { bob:emit("run") })
    end)

    it("reaches rooms, others, and all, each once", function()
        open [[
            socket:join("a") socket:join("b")
            return stoa.to("a"):to("b"):emit("both", 1), stoa.to{"a", "b"}:except(socket.id):emit("others"),
                socket:to("a"):emit("mates"), socket:broadcast():emit("all but me"), stoa.emit("all"),
                stoa.to("nowhere"):emit("none"), stoa.volatile():to("a"):emit("lossy", 1)
        ]]
        assert.same({ 1, 0, 0, 1, 2, 0, 1 }, { alice:emit("run") })
        assert.same({ { "both", 1 }, { "all" }, { "lossy", 1 } }, alice:events())
        assert.same({ 2, 1, 1, 1, 2, 0, 2 }, { bob:emit("run") })
        assert.same({ { "both", 1 }, { "others" }, { "mates" }, { "all but me" }, { "all" }, { "lossy", 1 } }, alice:events())
    end)

    it("names no more rooms than an emitter holds, however often a script tries", function()
        open [[
            local rooms, emitters, refused = {}, { stoa.to("a"), stoa.except("a") }, 0
            for i = 1, 63 do rooms[i] = "room" .. i end
            for _, emitter in ipairs(emitters) do emitter:to(rooms) end
            for i = 1, 200 do
                for _, emitter in ipairs(emitters) do
                    if not pcall(i % 2 == 0 and emitter.to or emitter.except, emitter, ("x"):rep(100) .. i) then refused = refused + 1 end
                end
            end
            for i = 1, 200 do
                if not pcall(stoa.to, rooms, rooms) then refused = refused + 1 end
                if not pcall(emitters[1].to, emitters[1], rooms) then refused = refused + 1 end
            end
            socket:join("a")
            return refused, emitters[1]:emit("kept"), emitters[2]:emit("kept")
        ]]
        assert.same({ 600, 1, 0 }, { alice:emit("run") })
    end)

    it("asks its client and hears the answer", function()
        open "return socket:call('question', 20, {timeout_ms = 1000})"
        alice:on("question", function(n) return n + 1, { n } end)
        assert.same({ 21, { 20 } }, { alice:emit("run") })
        bob:send("run")
        bob:events()
        world:advance(3)
        assert.is_nil(bob.acks[1])
    end)

    it("is answered gone at once if its client is away", function()
        open("if ... then kept[1] = socket return true end return kept[1]:call('question')", "local kept = {}")
        alice:emit("run", true)
        alice:drop()
        assert.same({ testing.null, "gone" }, { bob:emit("run") })
        assert(alice:reconnect())
        alice:on("question", function() return "here" end)
        assert.equal("here", (alice:emit("run")))
    end)

    it("is answered timeout if its client does not answer", function()
        world = handler "local answer, word = socket:call('question', {timeout_ms = 1000}) stoa.to(socket.id):emit('word', word)"
        alice = world:connect()
        alice:send("run")
        world:settle()
        world:advance(2)
        assert.same({ { "word", "timeout" } }, alice:events("word"))
    end)

    it("keeps a state over a recovery", function()
        open "if ... then return socket:set_state(...) end return socket:state(), socket.recovered"
        assert.equal(testing.null, (alice:emit("run")))
        assert.is_true((alice:emit("run", { seen = { 1, 2 } })))
        alice:drop()
        assert(alice:reconnect())
        assert.same({ { seen = { 1, 2 } }, true }, { alice:emit("run") })
        assert.same({ testing.null, "too_large" }, { alice:emit("run", ("x"):rep(5000)) })
    end)

    it("has nil where it keeps no state", function()
        open "local kept = (socket:state() or {first = true}).first socket:set_state(...) return kept, socket:state() == nil"
        for _, none in ipairs { "nothing", testing.null } do
            local kept, is_nil = alice:emit("run", none)
            assert.is_true(kept)
            assert.equal(none == testing.null, is_nil)
            alice:emit("run", testing.null)
        end
    end)

    it("ends at its time", function()
        open "return socket:expires(stoa.now() + 10)"
        alice:emit("run")
        world:advance(9)
        assert.is_nil(alice:closed())
        world:advance(2)
        assert.equal(4401, alice:closed())
    end)

    it("is told apart from a closed one", function()
        open "socket:disconnect() return socket.connected"
        alice:send("run")
        world:settle()
        assert.is_false(alice.connected)
    end)
end)
