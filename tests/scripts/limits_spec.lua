-- SPDX-License-Identifier: Apache-2.0
local support = require "tests.scripts.support"
local client, code, join, send = support.client, support.code, support.join, support.send

describe("limits", function()
    local world

    local function open(limits, more)
        world = support.world({ limits = limits }, more)
        return world
    end
    after_each(function() world:close() end)

    -- Sends until it is refused: how many passed, and the refusal.
    local function flood(who, channel_id, most)
        for i = 1, most do
            local answer = send(who, channel_id, "message " .. i)
            if not answer.ok then return i - 1, answer.error end
        end
        return most
    end

    it("let a user send as configured, and tell the wait", function()
        open { user_messages = { 5, 10 }, channel_messages = false }
        local alice = client(world, "alice")
        join(alice, "lobby")
        local passed, refusal = flood(alice, "lobby", 10)
        assert.equal(5, passed)
        assert.equal("rate_limited", refusal.code)
        assert.is_true(refusal.retryAfter > 0 and refusal.retryAfter <= 10)
        world:advance(refusal.retryAfter + 0.01)
        assert.equal("ok", code(send(alice, "lobby", "again")))
    end)

    it("never ban for ever, however often a user tries", function()
        open { user_messages = { 2, 60 }, channel_messages = false }
        local alice = client(world, "alice")
        join(alice, "lobby")
        flood(alice, "lobby", 3)
        for _ = 1, 20 do
            local answer = send(alice, "lobby", "now?")
            assert.equal("rate_limited", code(answer))
            assert.is_true(answer.error.retryAfter > 0)
        end
        world:advance(60)
        assert.equal(2, (flood(alice, "lobby", 3)))
    end)

    it("have no edge at which twice as much passes", function()
        open { user_messages = { 10, 10 }, channel_messages = false }
        local alice = client(world, "alice")
        join(alice, "lobby")
        world:advance(9.9)
        local around_the_edge = flood(alice, "lobby", 20)
        world:advance(0.2)
        around_the_edge = around_the_edge + flood(alice, "lobby", 20)
        assert.is_true(around_the_edge <= 11, around_the_edge)
    end)

    it("charge nobody when one of them refuses", function()
        open { user_messages = { 5, 3600 }, channel_messages = { 3, 10 } }
        local alice = client(world, "alice")
        join(alice, "lobby")
        join(alice, "attic")
        assert.equal(3, (flood(alice, "lobby", 5)))
        for _ = 1, 10 do assert.equal("rate_limited", code(send(alice, "lobby", "full"))) end
        assert.equal(2, (flood(alice, "attic", 5))) -- five in all, because refused ones cost nothing
    end)

    it("of messages count an edit as a message", function()
        open { user_messages = { 3, 3600 }, channel_messages = false }
        local alice = client(world, "alice")
        join(alice, "lobby")
        local said = send(alice, "lobby", "one")
        local function edit(text)
            return code(alice:emit("message:edit", { channelId = "lobby", messageId = said.id, content = text }))
        end
        assert.equal("ok", edit("two"))
        assert.equal("ok", edit("three"))
        assert.equal("rate_limited", edit("four"))
        assert.equal("rate_limited", code(send(alice, "lobby", "five")))
    end)

    it("let a user react to a message twenty times", function()
        open {}
        local alice, bob = client(world, "alice"), client(world, "bob")
        join(alice, "lobby")
        join(bob, "lobby")
        local said = send(alice, "lobby", "hello")
        local function react(who, event, emoji)
            return code(who:emit(event, { channelId = "lobby", messageId = said.id, emoji = emoji }))
        end
        for letter in ("abcdefghijklmnopqrst"):gmatch(".") do assert.equal("ok", react(alice, "reaction:add", letter)) end
        assert.equal("too_large", react(alice, "reaction:add", "u"))
        assert.equal("ok", react(bob, "reaction:add", "u"))
        assert.equal("ok", react(alice, "reaction:remove", "a"))
        assert.equal("ok", react(alice, "reaction:add", "u"))
    end)

    it("hold for the bytes of long messages, not for short ones", function()
        world = support.world { limits = { user_messages = false, channel_messages = false }, lua = { wall_ms = 10000 } }
        local alice, bob, carol = client(world, "alice"), client(world, "bob"), client(world, "carol")
        for _, who in ipairs { alice, bob, carol } do join(who, "lobby") end
        local long, list = ("\\"):rep(2 ^ 17 - 1), { ("x"):rep(2 ^ 18 - 4) } -- 256 KiB of JSON
        for i = 1, 8 do assert.equal("ok", code(send(alice, "lobby", long, { clientId = "a" .. i }))) end
        for i = 1, 8 do assert.equal("ok", code(send(alice, "lobby", long, { clientId = "a" .. i }))) end -- again
        local refused = send(alice, "lobby", long)
        assert.equal("rate_limited", code(refused))
        assert.is_true(refused.error.retryAfter > 0)
        for _ = 1, 8 do assert.equal("ok", code(send(bob, "lobby", list))) end
        assert.equal("rate_limited", code(send(carol, "lobby", long)))
        for _ = 1, 10 do assert.equal("ok", code(send(carol, "lobby", ("x"):rep(4096)))) end
        join(carol, "den")
        assert.equal("ok", code(send(carol, "den", long)))
    end)

    it("are taken before the content is looked at", function()
        open { user_messages = { 2, 3600 }, channel_messages = false }
        local alice = client(world, "alice")
        join(alice, "lobby")
        assert.equal("bad_request", code(send(alice, "lobby", "\0")))
        assert.equal("forbidden", code(send(alice, "lobby", "who?", { threadId = "nobody-said-it" })))
        assert.equal("rate_limited", code(send(alice, "lobby", "\0")))
        assert.equal("rate_limited", code(send(alice, "lobby", "who?", { threadId = "nobody-said-it" })))
    end)

    it("are taken before a channel that may not exist is looked up", function()
        open {}
        local alice, bob = client(world, "alice"), client(world, "bob")
        local events = { "history:get", "thread:get", "channel:members", "message:send", "typing", "channel:leave" }
        local answers = {}
        for i = 1, 606 do
            local answer = code(alice:emit(events[i % #events + 1], { channelId = "nobodys-" .. i }))
            answers[answer] = (answers[answer] or 0) + 1
            if i % 15 == 0 then alice:emit("channel:join", { channelId = "lobby" }) end -- so that the socket is not ended as a flood
        end
        assert.same({ not_joined = 300, forbidden = 300, rate_limited = 6 }, answers)
        assert.equal("forbidden", code(bob:emit("history:get", { channelId = "nobodys" })))
    end)

    it("are taken for each named channel and user, existing or not", function()
        open {}
        local alice, bob = client(world, "alice"), client(world, "bob")
        local since, channels, users = { seq = 0, epoch = "1-a" }, {}, {}
        for i = 1, 256 do channels["nobodys-" .. i] = since end
        for i = 1, 100 do users[i] = "nobody-" .. i end
        for _ = 1, 11 do assert.equal("ok", code(alice:emit("sync", { channels = channels }))) end
        local refused = alice:emit("sync", { channels = channels })
        assert.equal("rate_limited", code(refused))
        assert.is_true(refused.error.retryAfter > 0)
        assert.equal("ok", code(alice:emit("user:get", { userIds = users }))) -- 3,000 a minute: 84 more
        assert.equal("rate_limited", code(alice:emit("presence:get", { userIds = users })))
        assert.equal("ok", code(bob:emit("sync", { channels = { lobby = since } })))
        for i = 1, 29 do
            assert.equal("ok", code(bob:emit(i % 2 == 0 and "user:get" or "presence:get", { userIds = users })))
        end
        assert.equal("rate_limited", code(bob:emit("user:get", { userIds = users })))
    end)

    it("of a channel hold for all its users together", function()
        open { user_messages = false, channel_messages = { 3, 60 } }
        local passed = 0
        for _, name in ipairs { "alice", "bob" } do
            local user = client(world, name)
            join(user, "lobby")
            passed = passed + flood(user, "lobby", 3)
        end
        assert.equal(3, passed)
    end)

    it("of a user hold for all their devices together", function()
        open { user_messages = { 4, 60 }, channel_messages = false }
        local phone, laptop = client(world, "alice"), client(world, "alice")
        join(phone, "lobby")
        join(laptop, "lobby")
        assert.equal(4, flood(phone, "lobby", 3) + flood(laptop, "lobby", 3))
    end)

    it("that are false do not hold", function()
        open { user_messages = false, channel_messages = false }
        local alice = client(world, "alice")
        join(alice, "lobby")
        assert.equal(150, (flood(alice, "lobby", 150)))
    end)

    it("keep what was spent over a reload", function()
        open { user_messages = { 5, 3600 }, channel_messages = false }
        local alice = client(world, "alice")
        join(alice, "lobby")
        assert.equal(4, (flood(alice, "lobby", 4)))
        assert(world:reload {})
        assert.equal(1, (flood(alice, "lobby", 4)))
    end)

    it("end the socket of a flood that ignores refusals", function()
        open { user_messages = { 1, 3600 }, channel_messages = false }
        local alice = client(world, "alice")
        join(alice, "lobby")
        for _ = 1, 1100 do
            if not alice:emit("message:send", support.message("lobby", "x")) then break end
        end
        assert.is_false(alice.connected)
    end)

    it("of connections turn away the sixth", function()
        open { connects = false }
        local held = {}
        for i = 1, 5 do held[i] = client(world, "alice") end
        local refused, refusal = world:connect { auth = { user = "alice" } }
        assert.is_nil(refused)
        assert.equal("too_many_connections", refusal[2].code)
        held[3]:disconnect()
        assert.is_truthy(world:connect { auth = { user = "alice" } })
    end)

    it("of connections let in exactly five of fifty at once", function()
        open {}
        local wires, welcome, turned_away = {}, 0, 0
        for i = 1, 50 do wires[i] = world.core:client {} end
        for _, wire in ipairs(wires) do wire:send '40{"user":"alice"}' end
        world:settle()
        for _, wire in ipairs(wires) do
            for message in function() return (wire:take()) end do
                if message:find '^40{"sid"' then welcome = welcome + 1 end
                if message:find '^44.*too_many_connections' then turned_away = turned_away + 1 end
            end
        end
        assert.same({ 5, 45 }, { welcome, turned_away })
    end)

    it("of connection attempts say when to come back", function()
        open { connects = { 3, 60 }, connections_per_user = false }
        for _ = 1, 3 do client(world, "alice"):disconnect() end
        local refused, refusal = world:connect { auth = { user = "alice" } }
        assert.is_nil(refused)
        assert.equal("rate_limited", refusal[2].code)
        assert.is_true(refusal[2].retryAfter > 0)
        client(world, "bob")
        world:advance(refusal[2].retryAfter + 0.01)
        client(world, "alice")
    end)

    it("of connection attempts do not count recovered connections", function()
        open { connects = { 2, 3600 } }
        local alice = client(world, "alice")
        for _ = 1, 10 do
            alice:drop()
            assert.is_truthy(alice:reconnect())
        end
    end)

    it("end a flood of joins and of new channels", function()
        open {}
        local alice = client(world, "alice")
        local answers = {}
        for i = 1, 620 do
            local answer = code(alice:emit("channel:join", { channelId = "c" .. i % 320 }))
            answers[answer] = (answers[answer] or 0) + 1
        end
        assert.equal(620, answers.ok + answers.rate_limited)
        assert.equal(300, #alice:emit("channel:list").channels)
    end)

    it("of a channel's users count users, not devices", function()
        open { channel_users = 2 }
        join(client(world, "alice"), "lobby")
        join(client(world, "bob"), "lobby")
        join(client(world, "alice"), "lobby")
        local carol = client(world, "carol")
        assert.equal("channel_full", code(carol:emit("channel:join", { channelId = "lobby" })))
        join(carol, "attic")
    end)

    it("of uploads are asked before the hook", function()
        open({ uploads = { 2, 60 } }, { "tests/scripts/uploads.lua" })
        local alice = client(world, "alice")
        join(alice, "lobby")
        local wanted = { channelId = "lobby", name = "a.png", type = "image/png", bytes = 1000 }
        assert.equal("https://files.example.org/a.png", alice:emit("upload:request", wanted).url)
        assert.equal("ok", code(alice:emit("upload:request", wanted)))
        assert.equal("rate_limited", code(alice:emit("upload:request", wanted)))
    end)

    it("refuse an upload without a hook for the storage", function()
        open {}
        local alice = client(world, "alice")
        join(alice, "lobby")
        local wanted = { channelId = "lobby", name = "a.png", type = "image/png", bytes = 1000 }
        assert.equal("unavailable", code(alice:emit("upload:request", wanted)))
    end)
end)
