-- SPDX-License-Identifier: Apache-2.0
local support = require "tests.scripts.support"
local api, client, code, join, send = support.api, support.client, support.code, support.join, support.send

describe("the REST interface", function()
    local world

    before_each(function() world = support.world({}, { "tests/scripts/tools.lua" }) end)
    after_each(function() world:close() end)

    it("asks for a key", function()
        for _, authorization in ipairs { "", "Bearer", "Bearer wrong", "Basic " .. support.KEY, support.KEY } do
            local status, body = world:http("GET", "/api/channels/lobby", nil, { authorization = authorization })
            assert.equal(401, status)
            assert.equal("unauthorized", code(body))
        end
        local status = world:http("PUT", "/api/channels/lobby", {}, {})
        assert.equal(401, status)
    end)

    it("limits wrong keys per address, and still takes the right one", function()
        local status, body, headers
        for _ = 1, 30 do
            status, body, headers = world:http("GET", "/api/channels/lobby", nil, { authorization = "Bearer wrong" })
        end
        assert.equal(429, status)
        assert.equal("rate_limited", code(body))
        assert.is_true(tonumber(headers["retry-after"]) >= 1)
        assert.equal(404, (api(world, "GET", "/api/channels/lobby")))
    end)

    it("creates, changes and shows a channel", function()
        local status, body = api(world, "PUT", "/api/channels/board", { name = "The board", visibility = "private" })
        assert.equal(200, status)
        assert.is_true(body.ok)
        api(world, "PUT", "/api/channels/board", { name = "Board" })
        status, body = api(world, "GET", "/api/channels/board")
        assert.equal(200, status)
        assert.equal("Board", body.name)
        assert.equal("private", body.visibility)
        assert.equal(0, body.members)
    end)

    it("answers malformed, missing and non-JSON things with fitting statuses", function()
        assert.equal(404, (api(world, "GET", "/api/channels/nowhere")))
        assert.equal(404, (api(world, "PUT", "/api/channels/nowhere/members/alice", {})))
        assert.equal(404, (api(world, "GET", "/api/channels/nowhere/messages")))
        assert.equal(400, (api(world, "PUT", "/api/channels/" .. ("x"):rep(65), {})))
        assert.equal(400, (api(world, "PUT", "/api/channels/lobby", { visibility = "secret" })))
        assert.equal(400, (api(world, "PUT", "/api/channels/lobby", { name = 7 })))
        assert.equal(400, (api(world, "PUT", "/api/channels/lobby", "{not json")))
        assert.equal(400, (api(world, "PUT", "/api/channels/lobby", "[]")))
        assert.equal(400, (api(world, "POST", "/api/sessions", { userId = "a\nb" })))
        assert.equal(400, (api(world, "POST", "/api/sessions", { userId = "alice", ttlSeconds = -1 })))
        api(world, "PUT", "/api/channels/lobby", {})
        assert.equal(400, (api(world, "PUT", "/api/channels/lobby/members/alice", { role = "king" })))
        assert.equal(400, (api(world, "POST", "/api/channels/lobby/messages", { userId = "bot" })))
        assert.equal(404, (api(world, "DELETE", "/api/channels/lobby/members/nobody")))
        assert.equal(404, (api(world, "DELETE", "/api/sessions/guessed")))
    end)

    it("posts a message that clients receive, once for a clientId", function()
        local alice = client(world, "alice")
        join(alice, "lobby")
        local message = { userId = "bot", content = "good morning", clientId = "m1" }
        local _, first = api(world, "POST", "/api/channels/lobby/messages", message)
        local _, again = api(world, "POST", "/api/channels/lobby/messages", message)
        assert.equal(first.id, again.id)
        assert.is_true(again.duplicate)
        local events = alice:events("message:new")
        assert.equal(1, #events)
        assert.equal("bot", events[1][2].userId)
        message.content = "good evening"
        assert.equal(409, (api(world, "POST", "/api/channels/lobby/messages", message)))
    end)

    it("reads messages in pages", function()
        local alice = client(world, "alice")
        join(alice, "lobby")
        for i = 1, 3 do send(alice, "lobby", "message " .. i) end
        local _, page = api(world, "GET", "/api/channels/lobby/messages?limit=2")
        assert.equal(2, #page.messages)
        assert.is_true(page.more)
        _, page = api(world, "GET", "/api/channels/lobby/messages?after=1&limit=1")
        assert.equal("message 2", page.messages[1].content)
        assert.equal(400, (api(world, "GET", "/api/channels/lobby/messages?limit=x")))
    end)

    it("says who is online", function()
        join(client(world, "alice"), "lobby")
        local _, body = api(world, "GET", "/api/channels/lobby/presence")
        assert.equal(1, body.online)
        assert.equal("alice", body.users[1].userId)
    end)

    it("ends a user's connections", function()
        local phone, laptop = client(world, "alice"), client(world, "alice")
        local status, body = api(world, "POST", "/api/users/alice/disconnect")
        assert.equal(200, status)
        assert.equal(2, body.disconnected)
        world:advance(1)
        assert.is_false(phone.connected)
        assert.is_false(laptop.connected)
    end)

    it("tells everybody, a channel or a user", function()
        local alice, bob = client(world, "alice"), client(world, "bob")
        join(bob, "lobby")
        api(world, "POST", "/api/broadcast", { event = "news", args = { { text = "hello" }, 2 } })
        for _, who in ipairs { alice, bob } do assert.same({ "news", { text = "hello" }, 2 }, who:events("news")[1]) end
        api(world, "POST", "/api/broadcast", { event = "news", args = { 1 }, channelId = "lobby" })
        assert.equal(0, #alice:events("news"))
        assert.equal(1, #bob:events("news"))
        api(world, "POST", "/api/broadcast", { event = "news", data = 1, userId = "alice" })
        assert.same({ "news", 1 }, alice:events("news")[1])
        assert.equal(0, #bob:events("news"))
    end)

    it("sends no event that would break clients", function()
        for _, event in ipairs { "connect", "disconnect", "connect_error", "", ("x"):rep(200) } do
            assert.equal(400, (api(world, "POST", "/api/broadcast", { event = event })))
        end
    end)

    it("audits its changes, deletes and roles", function()
        local alice = client(world, "alice")
        join(alice, "lobby")
        local receipt = send(alice, "lobby", "oops")
        alice:emit("message:delete", { channelId = "lobby", messageId = receipt.id })
        api(world, "PUT", "/api/channels/lobby", { name = "The lobby" })
        api(world, "PUT", "/api/channels/lobby/members/bob", { role = "moderator" })
        api(world, "DELETE", "/api/channels/lobby/members/bob")
        local found = {}
        for _, row in ipairs(select(2, world:http("GET", "/tools/audit")).rows) do found[row.action] = row end
        for _, action in ipairs { "message.delete", "channel.put", "member.put", "member.remove" } do
            assert.is_truthy(found[action], action)
        end
        assert.equal("alice", found["message.delete"].actor)
        assert.matches("^api:%x+$", found["member.put"].actor)
        assert.is_nil(found["member.put"].actor:find(support.KEY, 1, true))
    end)
end)
