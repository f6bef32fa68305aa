-- SPDX-License-Identifier: Apache-2.0
-- Clients must not notice that values are cached.
local support = require "tests.scripts.support"
local api, client, code, join, send = support.api, support.client, support.code, support.join, support.send

describe("nothing stale is seen", function()
    local world, alice, bob

    before_each(function()
        world = support.world()
        alice, bob = client(world, "alice"), client(world, "bob")
        join(alice, "lobby")
        join(bob, "lobby")
    end)
    after_each(function() world:close() end)

    local function history(who)
        return who:emit("history:get", { channelId = "lobby" }).messages
    end

    it("of a channel that is empty or short", function()
        assert.equal(0, #history(alice))
        send(alice, "lobby", "one")
        assert.equal(1, #history(alice))
        send(alice, "lobby", "two")
        assert.equal(2, #history(bob))
    end)

    it("in a history that is read while messages come", function()
        for i = 1, 20 do
            send(alice, "lobby", "message " .. i)
            local messages = history(bob)
            for place, message in ipairs(messages) do assert.equal("message " .. place, message.content) end
            assert.equal(i, #messages)
        end
    end)

    it("of a message that was deleted or edited", function()
        local first, second = send(alice, "lobby", "to be edited"), send(alice, "lobby", "to be deleted")
        history(bob)
        alice:emit("message:edit", { channelId = "lobby", messageId = first.id, content = "edited" })
        alice:emit("message:delete", { channelId = "lobby", messageId = second.id })
        local messages = history(bob)
        assert.equal("edited", messages[1].content)
        for _, message in ipairs(messages) do assert.not_equal("to be deleted", message.content) end
        local since = { seq = 0, epoch = first.epoch }
        for _, event in ipairs(bob:emit("sync", { channels = { lobby = since } }).channels.lobby.events) do
            assert.not_equal("to be deleted", event[2].content)
        end
    end)

    it("of a role: it is taken away at once", function()
        api(world, "PUT", "/api/channels/lobby/members/bob", { role = "moderator" })
        local one, two = send(alice, "lobby", "one"), send(alice, "lobby", "two")
        assert.equal("ok", code(bob:emit("message:delete", { channelId = "lobby", messageId = one.id })))
        api(world, "PUT", "/api/channels/lobby/members/bob", { role = "member" })
        assert.equal("forbidden", code(bob:emit("message:delete", { channelId = "lobby", messageId = two.id })))
    end)

    it("of a channel that did not exist a moment ago", function()
        assert.equal("forbidden", code(alice:emit("history:get", { channelId = "new" })))
        api(world, "PUT", "/api/channels/new", { visibility = "public" })
        assert.equal("ok", code(alice:emit("history:get", { channelId = "new" })))
    end)

    it("of a channel that is no longer public", function()
        local carol = client(world, "carol")
        assert.equal("ok", code(carol:emit("history:get", { channelId = "lobby" })))
        api(world, "PUT", "/api/channels/lobby", { visibility = "private" })
        assert.equal("forbidden", code(carol:emit("history:get", { channelId = "lobby" })))
    end)

    it("of how many members there are", function()
        assert.equal(3, join(client(world, "carol"), "lobby").members)
        api(world, "DELETE", "/api/channels/lobby/members/carol")
        assert.equal(2, join(alice, "lobby").members)
    end)

    it("of who the members are", function()
        local function members()
            local roles = {}
            for _, member in ipairs(alice:emit("channel:members", { channelId = "lobby" }).members) do
                roles[member.userId] = member.role
            end
            return roles
        end
        assert.same({ alice = "owner", bob = "member" }, members())
        join(client(world, "carol"), "lobby")
        assert.same({ alice = "owner", bob = "member", carol = "member" }, members())
        api(world, "PUT", "/api/channels/lobby/members/bob", { role = "moderator" })
        api(world, "DELETE", "/api/channels/lobby/members/carol")
        assert.same({ alice = "owner", bob = "moderator" }, members())
    end)

    it("of a user's profile", function()
        local function bob_as_known() return alice:emit("user:get", { userIds = { "bob" } }).users[1] end
        local function name() return bob_as_known().name end
        support.eventually(world, 1, bob_as_known)
        api(world, "PUT", "/api/users/bob", { name = "Robert" })
        assert.equal("Robert", name())
    end)
end)
