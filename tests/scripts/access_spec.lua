-- SPDX-License-Identifier: Apache-2.0
local support = require "tests.scripts.support"
local api, client, code, join, send = support.api, support.client, support.code, support.join, support.send

describe("a user removed during their send or edit", function()
    local world, mallory

    before_each(function()
        world = support.world({}, { "tests/scripts/expelled_meanwhile.lua" })
        api(world, "PUT", "/api/channels/board", { visibility = "private" })
        api(world, "PUT", "/api/channels/board/members/mallory", { role = "member" })
        mallory = client(world, "mallory")
        join(mallory, "board")
    end)
    after_each(function() world:close() end)

    local function contents()
        local _, page = api(world, "GET", "/api/channels/board/messages")
        local texts = {}
        for i, message in ipairs(page.messages) do texts[i] = message.content end
        return texts
    end

    it("sends nothing more", function()
        assert.equal("ok", code(send(mallory, "board", "early")))
        assert.equal("not_joined", code(send(mallory, "board", "late")))
        assert.same({ "early" }, contents())
    end)

    -- Sends, and is gone before the answer.
    local function says_going(content)
        local json = ('42["message:send",{"channelId":"board","clientId":"c","content":"%s"}]'):format(content)
        mallory.wire:send(json)
        support.eventually(world, 5, function()
            return select(2, api(world, "GET", "/tools/heard")).last == content
        end)
        world:advance(0.1)
    end

    it("sends nothing more either when the connection ended before", function()
        says_going("late, and gone")
        assert.same({}, contents())
    end)

    it("sends nothing more either when the connection is just ending", function()
        says_going("late, and going")
        assert.same({}, contents())
    end)

    it("keeps their send if they left but were not removed", function()
        says_going("gone")
        assert.same({ "gone" }, contents())
    end)

    it("edits nothing more", function()
        local said = send(mallory, "board", "early")
        local edit = { channelId = "board", messageId = said.id, content = "late" }
        assert.equal("not_joined", code(mallory:emit("message:edit", edit)))
        assert.same({ "early" }, contents())
    end)
end)

describe("a private channel", function()
    local world, alice, mallory

    before_each(function()
        world = support.world()
        assert.equal(200, (api(world, "PUT", "/api/channels/board", { name = "The board", visibility = "private" })))
        api(world, "PUT", "/api/channels/board/members/alice", { role = "member" })
        alice, mallory = client(world, "alice"), client(world, "mallory")
    end)
    after_each(function() world:close() end)

    it("lets members in", function()
        assert.equal(1, join(alice, "board").members)
        assert.equal("ok", code(send(alice, "board", "hello")))
    end)

    it("answers others as if it did not exist", function()
        for event, arguments in pairs {
            ["channel:members"] = {}, ["history:get"] = {}, ["thread:get"] = { threadId = "x" },
            ["read:mark"] = { seq = 1 },
        } do
            arguments.channelId = "board"
            local hidden = mallory:emit(event, arguments)
            arguments.channelId = "nowhere"
            local missing = mallory:emit(event, arguments)
            assert.equal("forbidden", code(hidden))
            assert.same(missing, hidden)
        end
        assert.equal("forbidden", code(mallory:emit("channel:join", { channelId = "board" })))
        assert.equal("forbidden", code(send(mallory, "board", "let me in")))
        assert.equal("forbidden", code(mallory:emit("typing", { channelId = "board", typing = true })))
    end)

    it("shows out a removed member at once, with a cursor too", function()
        api(world, "PUT", "/api/channels/board/members/mallory", { role = "member" })
        local ack = join(mallory, "board")
        join(alice, "board")
        assert.equal(200, (api(world, "DELETE", "/api/channels/board/members/mallory")))
        local left = support.eventually(world, 1, function() return mallory:events("channel:left")[1] end)
        assert.equal("board", left[2].channelId)
        assert.equal("mallory", left[2].userId)
        send(alice, "board", "between us")
        assert.equal(0, #mallory:events("message:new"))
        local since = { seq = ack.seq, epoch = ack.epoch }
        assert.equal("forbidden", code(mallory:emit("channel:join", { channelId = "board", since = since })))
        local answer = mallory:emit("sync", { channels = { board = since } })
        assert.equal("forbidden", answer.channels.board.error.code)
        assert.equal("forbidden", code(mallory:emit("history:get", { channelId = "board" })))
    end)

    it("knows a new member at once, also one it has just refused", function()
        assert.equal("forbidden", code(mallory:emit("channel:join", { channelId = "board" })))
        api(world, "PUT", "/api/channels/board/members/mallory", {})
        assert.equal("channel:joined", mallory:events("channel:joined")[1][1])
        join(mallory, "board")
    end)

    it("is not recovered for a member removed while away", function()
        api(world, "PUT", "/api/channels/board/members/mallory", {})
        join(mallory, "board")
        join(alice, "board")
        mallory:drop()
        api(world, "DELETE", "/api/channels/board/members/mallory")
        mallory:reconnect()
        send(alice, "board", "between us")
        assert.equal(0, #mallory:events("message:new"))
    end)

    it("keeps those who joined it while it was public", function()
        api(world, "PUT", "/api/channels/park", { visibility = "public" })
        join(mallory, "park")
        api(world, "PUT", "/api/channels/park", { visibility = "private" })
        assert.equal("ok", code(send(mallory, "park", "still here")))
        assert.equal("forbidden", code(alice:emit("channel:join", { channelId = "park" })))
    end)
end)

describe("a token's claim", function()
    local world

    setup(function()
        world = support.world({ auth = { mode = "jwt", secret = support.SECRET } }, { "tests/scripts/tools.lua" })
        for _, id in ipairs { "course-1", "course-2", "staff" } do
            api(world, "PUT", "/api/channels/" .. id, { visibility = "private" })
        end
    end)
    teardown(function() world:close() end)

    local function connect(name, channels)
        local claims = { sub = name, exp = 4102444800, channels = channels }
        local _, body = world:http("POST", "/tools/sign", { claims = claims, secret = support.SECRET })
        return assert(world:connect { auth = { token = body.token } })
    end

    it("lets its user join the channels it names, without membership", function()
        local alice = connect("alice", { "course-1" })
        join(alice, "course-1")
        assert.equal("forbidden", code(alice:emit("channel:join", { channelId = "course-2" })))
        assert.equal(0, #alice:emit("channel:list").channels)
    end)

    it("may name channels by a prefix", function()
        local bob = connect("bob", { "course-*" })
        join(bob, "course-1")
        join(bob, "course-2")
        assert.equal("forbidden", code(bob:emit("channel:join", { channelId = "staff" })))
    end)

    it("creates nothing", function()
        local carol = connect("carol", { "*" })
        assert.equal("forbidden", code(carol:emit("channel:join", { channelId = "nowhere" })))
    end)
end)

describe("a user who sends before they have joined", function()
    it("is told when to retry while a join may be under way", function()
        local world = support.world()
        api(world, "PUT", "/api/channels/board", { visibility = "private" })
        local bob = client(world, "bob")
        assert.equal(1, send(bob, "lobby", "early").error.retryAfter)
        assert.is_nil(send(bob, "board", "early").error.retryAfter)
        world:close()
    end)
end)
