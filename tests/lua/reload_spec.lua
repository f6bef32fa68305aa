-- SPDX-License-Identifier: Apache-2.0
-- A reload makes a complete new generation, or changes nothing.
local testing = require "stoa.testing"
local support = require "tests.lua.support"

setup(testing.capture_log)

describe("a reload", function()
    local world, alice
    after_each(function() world:close() end)
    local function open(text)
        world = support.world(text)
        alice = world:connect { auth = { user = "alice" } }
    end
    local function version(n, more)
        return "local stoa = require 'stoa' local version = " .. n .. " stoa.on('version', function() return version, stoa.generation end) "
            .. (more or "")
    end

    it("gives open connections the new code at their next event", function()
        open(version(1))
        assert.same({ 1, 1 }, { alice:emit("version") })
        assert(support.reload(world, version(2)))
        assert.same({ 2, 2 }, { alice:emit("version") })
        assert.is_true(alice.connected)
    end)

    it("of a broken script changes nothing, and names the line", function()
        open(version(1))
        for text, expected in pairs {
            ["local x = = 1"] = "script%.lua:1: ",
            [version(2) .. "\nerror('late')"] = "script%.lua:2: late",
            [version(2) .. "\nstoa.selftest('holds', function() assert(false, 'no') end)"] = "no.*selftest 'holds'",
            [version(2) .. "\nstoa.limit('x', {0.5, 1})"] = "script%.lua:2: .*limit 'x'",
            [version(2) .. "\nwhile true do end"] = "script%.lua:2: ran over its budget",
        } do
            local done, message = support.reload(world, text)
            assert.is_nil(done)
            assert.matches(expected, message)
            assert.same({ 1, 1 }, { alice:emit("version") })
        end
        local done, message = support.reload(world, version(2), { nonsense = 1 })
        assert.is_nil(done)
        assert.matches("nonsense: unknown key", message)
        assert.same({ 1, 1 }, { alice:emit("version") })
    end)

    it("lets running handlers end in the old state", function()
        open(version(1, "stoa.on('slow', function(socket) stoa.sleep(2) socket:emit('slow', version) end)"))
        alice:send("slow")
        world:settle()
        local bob = world:connect { auth = { user = "bob" } }
        assert(support.reload(world, version(2)))
        assert.same({ 2, 2 }, { bob:emit("version") })
        world:advance(3)
        assert.same({ { "slow", 1 } }, alice:events())
    end)

    it("ends the old state's tasks and timers", function()
        open(version(1, [[
            stoa.every(1, function() stoa.emit("tick", version) end)
            stoa.on("endless", function() while true do stoa.sleep(1) stoa.emit("alive", version) end end)
        ]]))
        alice:send("endless")
        world:settle()
        assert(support.reload(world, version(2, "stoa.every(1, function() stoa.emit('tick', version) end)")))
        alice:events()
        world:advance(30)
        for _, event in ipairs(alice:events("tick")) do assert.equal(2, event[2]) end
        alice:events()
        world:advance(5)
        assert.same({}, alice:events("alive"))
    end)

    it("leaves two generations at most: what waits in the one before ends", function()
        local sleepy = "stoa.on('slow', function(socket) stoa.sleep(8) socket:emit('slow', version) end)"
        open(version(1, sleepy))
        local bob = world:connect { auth = { user = "bob" } }
        alice:send("slow")
        world:settle()
        assert(support.reload(world, version(2, sleepy)))
        bob:send("slow")
        world:settle()
        assert(support.reload(world, version(3, sleepy)))
        assert.same({ 3, 3 }, { alice:emit("version") })
        assert.is_nil((support.reload(world, "local x = = 1")))
        world:advance(9)
        assert.same({}, alice:events())
        assert.same({ { "slow", 2 } }, bob:events())
    end)

    it("leaves open whether work that it cuts off was done", function()
        open(version(1, "stoa.on('slow', function() stoa.sleep(8) return 'done' end)"))
        alice.wire:send('42900["slow"]')
        world:settle()
        for number = 2, 3 do assert(support.reload(world, version(number, "stoa.on('slow', function() stoa.sleep(8) end)"))) end
        world:settle()
        alice:events()
        local answer = alice.acks[900][1]
        assert.equal("unavailable", answer.error.code)
    end)

    it("keeps shared state, sockets' states, limits and caches", function()
        local more = [[
            stoa.limit("few", { 2, 3600 })
            local loads = 0
            local cache = stoa.cache("kept", { ttl = 3600, load = function() loads = loads + 1 return { version, loads } end })
            stoa.on("run", function(socket)
                local before = socket:state()
                socket:set_state(version)
                return stoa.shared.add("runs", 1), before, (stoa.take{few = "x"}), cache:get("k")
            end)
        ]]
        open(version(1, more))
        assert.same({ 1, testing.null, true, { 1, 1 } }, { alice:emit("run") })
        assert(support.reload(world, version(2, more)))
        assert.same({ 2, 1, true, { 1, 1 } }, { alice:emit("run") })
        assert(support.reload(world, version(3, more)))
        assert.same({ 3, 2, testing.null, { 1, 1 } }, { alice:emit("run") })
    end)

    it("forgets what the old scripts registered", function()
        open(version(1, "stoa.on('old', function() return 1 end) stoa.of('/old').on('x', function() end) "
            .. "stoa.route('GET', '/old', function() return 200 end)"))
        assert.equal(1, (alice:emit("old")))
        assert(support.reload(world, version(2)))
        assert.equal("unknown_event", alice:emit("old").error.code)
        assert.equal(404, (world:http("GET", "/old")))
        assert.is_nil((world:connect { namespace = "/old" }))
    end)

    it("a thousand times leaves no memory behind", function()
        local function resident_kib()
            for line in io.lines "/proc/self/status" do
                local kib = line:match("^VmRSS:%s*(%d+)")
                if kib then return tonumber(kib) end
            end
        end
        if (os.getenv "LD_PRELOAD" or ""):find "asan" then return pending "AddressSanitizer keeps what was freed" end
        if os.getenv "STOA_GC" == "aggressive" then return pending "this takes a collector at ease" end
        local text = version(1, "local big = {} for i = 1, 1000 do big[i] = ('x'):rep(100) .. i end")
        open(text)
        for _ = 1, 200 do assert(support.reload(world, text)) end
        collectgarbage()
        local before = resident_kib()
        for _ = 1, 800 do assert(support.reload(world, text)) end
        collectgarbage()
        assert.is_true(resident_kib() - before < 8192, "grew by " .. resident_kib() - before .. " KiB")
    end)
end)

describe("a state that ran out of memory", function()
    it("is rebuilt from the same sources, like a reload", function()
        support.config = { lua = { wall_ms = 10000, instructions = 1e9 } } -- so that memory is the first limit, on slow machines too
        local world = support.world [[
            local stoa = require "stoa"
            local runs = 0
            stoa.on("run", function() runs = runs + 1 return runs, stoa.shared.add("runs", 1) end)
            stoa.hook("alert", function(what, details) stoa.emit("trouble", what, details) end)
            stoa.on("wait", function() stoa.sleep(5) return "waited" end)
            local t = {}
            stoa.on("eat", function() while true do t[#t + 1] = ("x"):rep(2 ^ 21) .. #t end end)
        ]]
        support.config = nil
        local alice, bob = world:connect(), world:connect()
        assert.same({ 1, 1 }, { alice:emit("run") })
        bob:send("wait")
        world:settle()
        repeat -- each call is bounded, so only what the script keeps fills the state
            assert.equal("script_error", alice:emit("eat").error.code)
        until testing.logged():find("policy.rebuilt", 1, true)
        assert.same({ 1, 2 }, { alice:emit("run") })
        assert.same({ 2, 3 }, { bob:emit("run") })
        assert.same({ { "trouble", "policy.rebuilt", { reason = "memory" } } }, bob:events())
        world:close()
    end)
end)

describe("what a state that ran out of memory had begun", function()
    it("gets no answer where the message may be stored", function()
        support.config = { lua = { wall_ms = 10000, instructions = 1e9 } }
        local world = support.world [[
            local stoa = require "stoa"
            local channel = stoa.channel "lobby"
            stoa.on("say", function() return channel:append { kind = "message", userId = "alice", content = "hi" } end)
            stoa.on("sleep", function() stoa.sleep(8) end)
            local t = {}
            stoa.on("eat", function() while true do t[#t + 1] = ("x"):rep(2 ^ 21) .. #t end end)
        ]]
        support.config = nil
        local alice, bob, carol = world:connect(), world:connect(), world:connect()
        world:odd_store "late"
        alice:emit("say") -- with this store, the first call is refused in the next turn
        alice.wire:send('42900["say"]')
        bob.wire:send('42900["sleep"]')
        testing.logged()
        repeat carol:emit("eat") until testing.logged():find("policy.rebuilt", 1, true)
        assert.is_nil(alice.acks[900])
        assert.equal(1013, (alice.wire:closed()))
        assert.equal("unavailable", bob.acks[900][1].error.code)
        assert.is_true(bob.connected)
        world:close()
    end)
end)

describe("scripts that cannot be loaded again", function()
    it("let nobody in and answer nothing until they are back", function()
        local key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAx94UM1dNL+/Hj3RT3j7HcGq3V0T51tAtskjPdZrEOXo=\n"
            .. "-----END PUBLIC KEY-----\n"
        local path = support.write("key.pem", key)
        support.config = { lua = { wall_ms = 10000, instructions = 1e9 } }
        local world = support.world([[
            local stoa = require "stoa"
            stoa.jwt.verifier { algorithm = "EdDSA", public_key_file = "]] .. path .. [[" }
            stoa.hook("authenticate", function(handshake) return { id = handshake.auth.user } end)
            stoa.on("run", function() return 1 end)
            stoa.route("GET", "/run", function() return 200 end)
            local t = {}
            stoa.on("eat", function() while true do t[#t + 1] = ("x"):rep(2 ^ 21) .. #t end end)
        ]])
        support.config = nil
        local alice = world:connect { auth = { user = "alice" } }
        os.remove(path)
        repeat
            alice:emit("eat")
            local logged = testing.logged()
        until logged:find("policy.missing", 1, true)
        for _ = 1, 5 do
            assert.equal("unavailable", alice:emit("run").error.code)
            for _, auth in ipairs { {}, { user = "mallory" } } do
                local client, refusal = world:connect { auth = auth }
                assert.is_nil(client)
                assert.equal("unavailable", refusal.message)
            end
            assert.not_equal(200, (world:http("GET", "/run")))
            world:advance(20)
        end
        assert.matches("retry_ms=10000", testing.logged())
        support.write("key.pem", key)
        world:advance(11)
        assert.equal(1, (alice:emit("run")))
        assert(world:connect { auth = { user = "bob" } })
        assert.equal(200, (world:http("GET", "/run")))
        assert.matches("policy.rebuilt", testing.logged())
        world:close()
    end)
end)

describe("tasks", function()
    it("that wait are bounded: the next one is refused and counted", function()
        support.config = { lua = { tasks = 3 } }
        local world = support.world [[
            local stoa = require "stoa"
            stoa.on("wait", function() stoa.sleep(60) end)
            stoa.on("run", function() return 1 end)
            stoa.hook("disconnect", function() end)
        ]]
        support.config = nil
        local clients = {}
        for i = 1, 4 do clients[i] = world:connect() end
        for i = 1, 3 do clients[i]:send("wait") end
        world:settle()
        local function refused()
            return tonumber(testing.metrics():match 'stoa_script_errors_total{kind="refused"} (%d+)' or 0)
        end
        local before = refused()
        assert.equal("unavailable", clients[4]:emit("run").error.code)
        clients[4]:disconnect()
        assert.equal(before + 2, refused())
        clients[4] = world:connect()
        world:advance(61)
        assert.equal(1, (clients[4]:emit("run")))
        world:close()
    end)
end)
