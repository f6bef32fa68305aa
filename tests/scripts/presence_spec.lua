-- SPDX-License-Identifier: Apache-2.0
local support = require "tests.scripts.support"
local client, code, eventually, join, send = support.client, support.code, support.eventually, support.join, support.send

local function status(who, user_id)
    return who:emit("presence:get", { userIds = { user_id } }).users[1].status
end

-- The last status of a user in a channel that a client was told.
local function told(who, user_id)
    local found
    for _, event in ipairs(who:events("presence:changed")) do
        for _, user in ipairs(event[2].users or {}) do
            if user.userId == user_id then found = user.status end
        end
    end
    return found
end

describe("presence", function()
    local world, alice, bob

    before_each(function()
        world = support.world {
            presence = { grace_ms = 5000, tick_ms = 200 },
            limits = { connects = false },
        }
        alice, bob = client(world, "alice"), client(world, "bob")
        join(alice, "lobby")
        join(bob, "lobby")
        world:advance(1)
        alice:events()
    end)
    after_each(function() world:close() end)

    it("keeps a user online while one of their devices is", function()
        local phone = client(world, "bob")
        join(phone, "lobby")
        phone:disconnect()
        world:advance(60)
        assert.equal("online", status(alice, "bob"))
        bob:disconnect()
        world:advance(6)
        assert.equal("offline", status(alice, "bob"))
    end)

    it("of a user who left is not kept alive by others", function()
        bob:drop()
        for _ = 1, 10 do
            local carol = client(world, "carol")
            join(carol, "lobby")
            carol:disconnect()
            alice:emit("presence:update", { status = "online" })
            world:advance(1)
        end
        assert.equal("offline", status(alice, "bob"))
        local ids = {}
        for i, user in ipairs(select(2, support.api(world, "GET", "/api/channels/lobby/presence")).users) do
            ids[i] = user.userId
        end
        assert.is_nil(table.concat(ids, " "):find("bob"))
    end)

    it("counts right after many comings and goings", function()
        for _ = 1, 5 do
            local phone = client(world, "bob")
            join(phone, "lobby")
            phone:drop()
            phone:reconnect()
            phone:disconnect()
        end
        world:advance(10)
        assert.equal(2, select(2, support.api(world, "GET", "/api/channels/lobby/presence")).online)
        bob:disconnect()
        world:advance(6)
        assert.equal(1, select(2, support.api(world, "GET", "/api/channels/lobby/presence")).online)
    end)

    it("does not flap when a page is reloaded", function()
        bob:disconnect()
        world:advance(2)
        bob = client(world, "bob")
        join(bob, "lobby")
        world:advance(10)
        assert.not_equal("offline", told(alice, "bob"))
        assert.equal("online", status(alice, "bob"))
    end)

    it("stays online without any activity", function()
        world:advance(600)
        assert.equal("online", status(alice, "bob"))
        assert.is_nil(told(alice, "bob"))
    end)

    it("tells the channel who left, after the grace", function()
        bob:disconnect()
        world:advance(2)
        assert.is_nil(told(alice, "bob"))
        assert.equal("offline", eventually(world, 6, function() return told(alice, "bob") end))
    end)

    it("says unknown of a user who was never here, not just seen", function()
        local user = alice:emit("presence:get", { userIds = { "nobody" } }).users[1]
        assert.same({ userId = "nobody", status = "unknown" }, user)
    end)

    it("tells the status that a user chose", function()
        assert.equal("ok", code(bob:emit("presence:update", { status = "busy", statusMessage = "in a lecture" })))
        assert.equal("busy", eventually(world, 2, function() return told(alice, "bob") end))
        local user = alice:emit("presence:get", { userIds = { "bob" } }).users[1]
        assert.equal("in a lecture", user.statusMessage)
    end)

    it("shows the invisible as offline", function()
        bob:emit("presence:update", { status = "invisible" })
        assert.equal("offline", eventually(world, 2, function() return told(alice, "bob") end))
        assert.equal("offline", status(alice, "bob"))
        assert.equal("ok", code(send(bob, "lobby", "I can still talk")))
    end)

    it("is told only to those who joined the channel", function()
        local carol = client(world, "carol")
        bob:emit("presence:update", { status = "away" })
        world:advance(2)
        assert.equal(0, #carol:events("presence:changed"))
    end)

    it("refuses unknown statuses and long messages", function()
        for _, wrong in ipairs {
            { status = "dancing" }, { status = "offline" }, {}, { status = 1 },
            { status = "away", statusMessage = ("x"):rep(257) }, { status = "away", statusMessage = 1 },
        } do
            assert.equal("bad_request", code(bob:emit("presence:update", wrong)))
        end
    end)

    it("answers for 100 users at a time", function()
        local ids = {}
        for i = 1, 100 do ids[i] = "u" .. i end
        assert.equal(100, #alice:emit("presence:get", { userIds = ids }).users)
        ids[101] = "u101"
        assert.equal("bad_request", code(alice:emit("presence:get", { userIds = ids })))
    end)

    it("comes back with a connection that recovers", function()
        bob:drop()
        world:advance(8)
        bob:reconnect()
        assert.equal("online", eventually(world, 2, function() return told(alice, "bob") == "online" and "online" end))
        assert.equal("online", status(alice, "bob"))
    end)
end)

describe("typing", function()
    local world, alice, bob

    before_each(function()
        world = support.world({}, { "tests/scripts/tools.lua" })
        alice, bob = client(world, "alice"), client(world, "bob")
        join(alice, "lobby")
        join(bob, "lobby")
        alice:events()
        bob:events()
    end)
    after_each(function() world:close() end)

    local function type_(who, typing)
        return who:emit("typing", { channelId = "lobby", typing = typing })
    end

    it("is told to the others", function()
        assert.equal("ok", code(type_(alice, true)))
        assert.same({ channelId = "lobby", userId = "alice", typing = true }, bob:events("typing")[1][2])
        assert.equal(0, #alice:events("typing"))
    end)

    it("is told once a second, the last word wins", function()
        for _ = 1, 50 do
            type_(alice, true)
            type_(alice, false)
        end
        assert.equal(1, #bob:events("typing"))
        local last = eventually(world, 2, function() return bob:events("typing")[1] end)
        assert.is_false(last[2].typing)
        world:advance(5)
        assert.equal(0, #bob:events("typing"))
    end)

    it("of one user in many channels is limited", function()
        local function tasks() return select(2, support.api(world, "GET", "/tools/tasks")) end
        for i = 1, 40 do join(alice, "room-" .. i) end
        local before = tasks()
        local answers = { ok = 0, rate_limited = 0 }
        for i = 1, 80 do
            local answer = code(alice:emit("typing", { channelId = "room-" .. (i - 1) % 40 + 1, typing = i <= 40 }))
            answers[answer] = answers[answer] + 1
        end
        assert.same({ ok = 30, rate_limited = 50 }, answers)
        assert.equal(before, tasks())
    end)

    it("of a user who was removed meanwhile is not told", function()
        type_(alice, false)
        type_(alice, true)
        bob:events()
        alice:emit("channel:leave", { channelId = "lobby" })
        world:advance(3)
        assert.equal(0, #bob:events("typing"))
    end)

    it("leaves no trace", function()
        type_(alice, true)
        assert.equal(0, #alice:emit("history:get", { channelId = "lobby" }).messages)
        assert.equal(0, join(client(world, "carol"), "lobby").seq)
    end)
end)

describe("a profile", function()
    local world

    before_each(function() world = support.world() end)
    after_each(function() world:close() end)

    it("exists after a connect, and changes at once", function()
        local alice = client(world, "alice")
        world:advance(0.1)
        assert.equal("alice", alice:emit("user:get", { userIds = { "alice", "nobody" } }).users[1].name)
        support.api(world, "PUT", "/api/users/alice", { name = "Alice Liddell", avatar = "https://example.org/a.png" })
        local profile = alice:emit("user:get", { userIds = { "alice" } }).users[1]
        assert.same({ userId = "alice", name = "Alice Liddell", avatar = "https://example.org/a.png" }, profile)
    end)

    it("exists for each of many who connect at once", function()
        local alice = client(world, "alice")
        for i = 1, 30 do client(world, "guest-" .. i) end
        world:advance(0.1)
        local asked = {}
        for i = 1, 30 do asked[i] = "guest-" .. i end
        assert.equal(30, #alice:emit("user:get", { userIds = asked }).users)
    end)

    it("with markup in its name is given back as text", function()
        local alice = client(world, "alice")
        local name = "<img src=x onerror=alert(1)>"
        support.api(world, "PUT", "/api/users/alice", { name = name })
        assert.equal(name, alice:emit("user:get", { userIds = { "alice" } }).users[1].name)
    end)
end)
