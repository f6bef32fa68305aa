-- SPDX-License-Identifier: Apache-2.0
-- Waits: an answer may come before the wait begins, during it, or after it has ended.
local testing = require "stoa.testing"
local support = require "tests.lua.support"

setup(testing.capture_log)

local WORLD = [[
    local stoa = require "stoa"
    local loads = stoa.cache("loads", { ttl = 60, load = function(key) return stoa.user(key):get() end })
    local channel, user = stoa.channel "lobby", stoa.user "alice"
    stoa.limit("tight", { count = 1, seconds = 60 })
    local calls = {
        ["channel:append"] = function() return channel:append { kind = "message", userId = "alice", content = "hi" } end,
        ["channel:appended"] = function()
            return channel:appended { kind = "message", userId = "alice", clientId = "c", content = "hi" }
        end,
        ["channel:follow"] = function(socket) return channel:follow(socket) end,
        ["channel:events"] = function() return channel:events { seq = 0, epoch = "1-a" } end,
        ["channel:messages"] = function() return channel:messages {} end,
        ["channel:message"] = function() return channel:message "m" end,
        ["channel:info"] = function() return channel:info() end,
        ["channel:put"] = function() return channel:put { name = "x" } end,
        ["channel:member"] = function() return channel:member "alice" end,
        ["channel:members"] = function() return channel:members() end,
        ["channel:put_member"] = function() return channel:put_member("alice", "owner") end,
        ["channel:remove_member"] = function() return channel:remove_member "alice" end,
        ["channel:mark_read"] = function() return channel:mark_read("alice", 1) end,
        ["user:get"] = function() return user:get() end,
        ["user:put"] = function() return user:put { name = "Alice" } end,
        ["user:say"] = function() return user:say { status = "away" } end,
        ["user:said"] = function() return user:said() end,
        ["user:seen"] = function() return user:seen() end,
        ["user:channels"] = function() return user:channels() end,
        ["stoa.users"] = function() return stoa.users { "alice" } end,
        ["stoa.session.create"] = function() return stoa.session.create("alice", 60) end,
        ["stoa.session.find"] = function() return stoa.session.find "token" end,
        ["stoa.session.delete"] = function() return stoa.session.delete "token" end,
        ["stoa.audit.write"] = function() return stoa.audit.write("act", { actor = "alice" }) end,
        ["stoa.audit.list"] = function() return stoa.audit.list {} end,
        ["cache:get"] = function() return loads:get "alice" end,
        ["stoa.http.request"] = function() return stoa.http.request { url = "httpx://127.0.0.1/" } end,
        ["stoa.websocket.connect"] = function() return stoa.websocket.connect "ws://127.0.0.1:0/" end,
        ["socket:call"] = function(socket)
            for _ = 1, 64 do stoa.spawn(function() socket:call "never answered" end) end
            return socket:call "one too many"
        end,
        ["stoa.take"] = function() stoa.take { tight = "alice" } return stoa.take { tight = "alice" } end,
        ["stoa.peek"] = function() stoa.take { tight = "alice" } return stoa.peek { tight = "alice" } end,
        ["socket:claim"] = function(socket)
            for _, other in ipairs(user:sockets()) do if other.id ~= socket.id then other:claim(1) end end
            return socket:claim(1)
        end,
    }
    -- These ask no other worker, and cannot be refused.
    local answered = {
        ["channel:online"] = function() return channel:online() end,
        ["user:presence"] = function() return user:presence() end,
        ["stoa.presence.get"] = function() return stoa.presence.get { "alice" } end,
        ["stoa.ask"] = function() return stoa.ask "join" end,
    }
    stoa.hook("authenticate", function() return { id = "alice" } end)
    stoa.on("refused", function(socket, name) return calls[name](socket) end)
    stoa.on("answered", function(socket, name) return answered[name](socket) and true end)
    stoa.on("covered", function(_, name) return calls[name] ~= nil and 1 or answered[name] ~= nil and 2 or 0 end)
    stoa.on("inside", function()
        local append = calls["channel:append"]
        channel:put { visibility = "public" }
        local done, problem = pcall(string.gsub, "x", "x", append)
        return done, problem:find("nothing can wait", 1, true) ~= nil, channel:messages({}).messages:decode()[1], "not_found"
    end)
    stoa.on("lives", function() return true end)
]]

-- The functions that wait, by the reference. Not sleep, which asks nobody, and not upstreams, which need a server
-- (scenes/outgoing).
local function waiting()
    local names, name = {}, nil
    for line in io.lines "docs/lua-api.md" do
        name = line:match "^### `?([%w_.:]+)" or name
        if line:match "^%- returns .*waits" and name ~= "stoa.sleep" and not name:match "^upstream:" then names[#names + 1] = name end
    end
    return names
end

local WORDS = { ["socket:call"] = "overloaded", ["stoa.take"] = "rate_limited", ["stoa.peek"] = "rate_limited",
    ["socket:claim"] = "too_many_connections", ["stoa.websocket.connect"] = "bad_request" }

describe("a wait", function()
    local world, alice
    before_each(function()
        world = support.world(WORLD)
        alice = world:connect()
        testing.logged()
    end)
    after_each(function() world:close() end)

    for _, name in ipairs(waiting()) do
        it("of " .. name .. " that is refused at once gives nil and the word", function()
            world:connect()
            world:odd_store "at once"
            local kind = alice:emit("covered", name)
            assert(kind > 0, "nothing here refuses it")
            if kind == 2 then
                assert.is_true((alice:emit("answered", name)))
            else
                local value, word = alice:emit("refused", name)
                assert.same({ testing.null, WORDS[name] or "unavailable" }, { value, word })
            end
            assert.is_true((alice:emit "lives"))
            assert.equal("", testing.logged())
        end)
    end

    it("is not begun where nothing can wait, and nothing is asked", function()
        assert.same({ false, true, testing.null, "not_found" }, { alice:emit "inside" })
    end)
end)

describe("the end of a world", function()
    local function stale() return tonumber(testing.metrics():match "\nstoa_stale_completions_total (%d+)") end

    it("wakes no script when the answer comes late, and counts it", function()
        local world = support.world [[
            local stoa = require "stoa"
            local channel = stoa.channel "lobby"
            local function wake(socket)
                stoa.log.error "woken"
                socket:emit("late") socket:join("late") stoa.emit("late") stoa.user("alice"):sockets()
                stoa.presence.connected(socket) channel:info() stoa.user("alice"):disconnect()
            end
            stoa.hook("authenticate", function(handshake) return { id = handshake.auth.user } end)
            stoa.on("info", function(socket) channel:info() wake(socket) end)
            stoa.on("append", function(socket)
                channel:append { kind = "message", userId = socket.user_id, content = "hi" } wake(socket)
            end)
            stoa.on("follow", function(socket) channel:follow(socket) wake(socket) end)
        ]]
        local waiting = {}
        for i, event in ipairs { "info", "append", "follow", "follow", "info" } do
            waiting[i] = world:connect { auth = { user = event .. i } }
        end
        world:odd_store "late"
        for i, event in ipairs { "info", "append", "follow", "follow", "info" } do waiting[i]:send(event) end
        while world.core:turn() do end -- here, a pending append never completes
        testing.logged()
        local before = stale()
        world:close()
        assert.equal("", testing.logged())
        assert.equal(before + 5, stale())
    end)
end)

describe("what the store answers many at once", function()
    it("becomes Lua's one after the other: it need not fit the memory together", function()
        support.config = { lua = { memory_bytes = 12 * 2 ^ 20, wall_ms = 10000, instructions = 1e9 } }
        local world = support.world [[
            local stoa = require "stoa"
            local channel = stoa.channel "lobby"
            stoa.on("open", function() return channel:put { name = "Lobby" } end)
            stoa.on("say", function() return channel:append { kind = "message", userId = "alice", content = ("x"):rep(30000) } end)
            stoa.on("page", function() return #channel:messages({ limit = 20 }).messages:decode() end)
        ]]
        support.config = nil
        local alice, readers = world:connect(), {}
        alice:emit "open"
        for n = 1, 20 do assert.equal(n, alice:emit("say").seq) end
        for i = 1, 35 do readers[i] = world:connect() end
        testing.logged()
        world:odd_store "together"
        for _, reader in ipairs(readers) do reader.wire:send('42900["page"]') end
        for _, reader in ipairs(readers) do
            for _ = 1, 100 do if not reader.acks[900] then world:settle() end end
            assert.same({ 20 }, reader.acks[900])
        end
        assert.equal("", testing.logged())
        world:close()
    end)
end)
