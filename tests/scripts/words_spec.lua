-- SPDX-License-Identifier: Apache-2.0
-- The status that users set, and how long it lasts.
local support = require "tests.scripts.support"
local client, code, join = support.client, support.code, support.join

local AWAY_S = 600 -- longer than the grace

describe("a user's status", function()
    local world, alice, bob

    local function come(name)
        local who = client(world, name)
        join(who, "lobby")
        return who
    end

    before_each(function()
        world = support.world { presence = { grace_ms = 5000, tick_ms = 200 }, limits = { connects = false } }
        alice, bob = come "alice", come "bob"
    end)
    after_each(function() world:close() end)

    local function seen()
        local user = alice:emit("presence:get", { userIds = { "bob" } }).users[1]
        return user.status, user.statusMessage
    end

    local function say(status, message, seconds)
        local ends = seconds and os.date("!%Y-%m-%dT%H:%M:%S.000Z", math.floor(world:now()) + seconds)
        return code(bob:emit("presence:update", { status = status, statusMessage = message, ["until"] = ends }))
    end

    local function go_and_come_back()
        bob:disconnect()
        world:advance(AWAY_S)
        alice:events()
        bob = come "bob"
        world:advance(1)
    end

    -- Was anybody told, or could anybody see, that the user is online?
    local function shows()
        for _, event in ipairs(alice:events "presence:changed") do
            for _, user in ipairs(event[2].users) do
                if user.userId == "bob" and user.status ~= "offline" then return true end
            end
        end
        return seen() ~= "offline"
    end

    it("lasts while they are offline: invisible users come back invisible", function()
        assert.equal("ok", say "invisible")
        go_and_come_back()
        assert.is_false(shows())
        go_and_come_back()
        assert.is_false(shows())
        assert.equal("ok", say "online")
        world:advance(1)
        assert.is_true(shows())
    end)

    it("lasts with its message until they change it", function()
        say("busy", "exam")
        go_and_come_back()
        assert.same({ "busy", "exam" }, { seen() })
        say "online"
        go_and_come_back()
        assert.same({ "online" }, { seen() })
    end)

    it("ends at its time, whether they are online or not", function()
        say("busy", "exam", 3600)
        world:advance(3590)
        assert.equal("busy", (seen()))
        world:advance(20)
        assert.same({ "online" }, { seen() })
        say("busy", "exam", AWAY_S + 60)
        go_and_come_back()
        assert.equal("busy", (seen()))
        world:advance(120)
        assert.equal("online", (seen()))
        say("busy", "exam", AWAY_S - 60)
        go_and_come_back()
        assert.equal("online", (seen()))
    end)

    it("has an end in the future, or none", function()
        assert.equal("bad_request", say("busy", nil, -1))
        for _, wrong in ipairs { "tomorrow", 7, "2026-13-01T00:00:00.000Z", true } do
            assert.equal("bad_request", code(bob:emit("presence:update", { status = "busy", ["until"] = wrong })))
        end
    end)

    it("is unknown while the store is away: then nobody sees them", function()
        world:odd_store "at once"
        client(world, "carol")
        world:advance(20)
        assert.equal("offline", alice:emit("presence:get", { userIds = { "carol" } }).users[1].status)
    end)
end)
