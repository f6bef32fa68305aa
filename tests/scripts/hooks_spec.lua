-- SPDX-License-Identifier: Apache-2.0
local support = require "tests.scripts.support"
local client, code, join, send, api = support.client, support.code, support.join, support.send, support.api

describe("the hooks of messages", function()
    local world, alice

    setup(function()
        require("stoa.testing").capture_log()
        world = support.world({}, { "tests/scripts/own_policy.lua" })
        alice = client(world, "alice")
        join(alice, "lobby")
    end)
    teardown(function() world:close() end)

    -- Every way to send or change a message: returns {code, id}.
    local posts = 0
    local ways = {
        send = function(content)
            local answer = send(alice, "lobby", content)
            return code(answer), answer.id, answer.error
        end,
        edit = function(content)
            local id = send(alice, "lobby", "as yet").id
            local answer = alice:emit("message:edit", { channelId = "lobby", messageId = id, content = content })
            return code(answer), id, answer.error
        end,
        post = function(content)
            posts = posts + 1
            local message = { userId = "alice", content = content, clientId = "p" .. posts, channelId = "nowhere" }
            local status, answer = api(world, "POST", "/api/channels/lobby/messages", message)
            if status == 500 then return "script_error" end
            return code(answer), answer.id, answer.error
        end,
    }

    local function stored(id)
        local page = alice:emit("history:get", { channelId = "lobby", limit = 100 })
        for _, message in ipairs(page.messages) do
            if message.id == id then return message end
        end
    end

    for way, say in pairs(ways) do
        it("are asked, whatever way it comes: " .. way, function()
            local answer, id, error = say "spam"
            assert.equal("forbidden", answer)
            assert.equal("No spam, please.", error.message)
            answer, id = say "hello"
            assert.equal("ok", answer)
            assert.equal("hello", stored(id).content)
        end)

        it("refuse when one returns nothing: " .. way, function()
            local before = alice:emit("channel:list").channels[1].seq
            assert.equal("script_error", (say "silence"))
            assert.equal(before + (way == "edit" and 1 or 0), alice:emit("channel:list").channels[1].seq)
        end)

        it("may change what is said, and nothing else: " .. way, function()
            local answer, id = say "damn"
            assert.equal("ok", answer)
            local message = stored(id)
            assert.equal("d***", message.content)
            assert.equal("alice", message.userId)
            if way ~= "edit" then assert.equal("alice", message.attachments[1].by) end
        end)

        it("cannot make invalid content of it: " .. way, function()
            assert.equal("too_large", (say "long"))
        end)
    end

    it("are told of what was posted, too", function()
        alice:events()
        ways.post "news"
        world:settle()
        assert.same({ "delivered", "alice", "lobby", "news" }, alice:events("delivered")[1])
    end)

    it("are not bypassed by a broadcast", function()
        for _, event in ipairs { "message:new", "message:updated", "message:deleted", "reaction:changed" } do
            local broadcast = { event = event, channelId = "lobby", data = { content = "spam" } }
            assert.equal(400, (api(world, "POST", "/api/broadcast", broadcast)))
        end
    end)
end)

describe("the hooks of channels", function()
    it("are told of members, new channels and leaves", function()
        local world = support.world({}, { "tests/scripts/own_policy.lua" })
        local alice, bob = client(world, "alice"), client(world, "bob")
        local function told()
            world:settle()
            local list = {}
            for i, event in ipairs(alice:events("told")) do list[i] = { event[2], event[3] } end
            return list
        end
        local function member(action, user, role, actor)
            return { "member", { action = action, channelId = "lobby", userId = user, role = role, actor = actor } }
        end
        join(bob, "lobby")
        local lobby = { channelId = "lobby", name = "lobby", visibility = "public", actor = "bob" }
        assert.same({ { "channel:created", lobby }, member("put", "bob", "owner", "bob") }, told())
        join(alice, "lobby")
        join(alice, "lobby")
        assert.same({ member("put", "alice", "member", "alice") }, told())
        bob:emit("channel:leave", { channelId = "lobby" })
        assert.same({ { "leave", { "bob", "lobby" } } }, told())
        api(world, "PUT", "/api/channels/lobby/members/bob", { role = "moderator" })
        api(world, "DELETE", "/api/channels/lobby/members/bob")
        local put, removed = unpack(told())
        local actor = put[2].actor
        assert.matches("^api:%x+$", actor)
        assert.same({ member("put", "bob", "moderator", actor), member("removed", "bob", nil, actor) }, { put, removed })
        api(world, "PUT", "/api/channels/lobby", { name = "The lobby" })
        assert.same({}, told())
        api(world, "PUT", "/api/channels/quiet", { name = "Quiet", visibility = "private" })
        local quiet = { channelId = "quiet", name = "Quiet", visibility = "private", actor = actor }
        assert.same({ { "channel:created", quiet } }, told())
        world:close()
    end)
end)
