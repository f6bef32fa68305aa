-- SPDX-License-Identifier: Apache-2.0
-- A client sends again when it got no answer.
local support = require "tests.scripts.support"
local client, code, join, message = support.client, support.code, support.join, support.message

describe("a repeated send", function()
    local world, alice

    local function start(settings, more)
        world = support.world(settings, more)
        alice = client(world, "alice")
        join(alice, "lobby")
    end
    after_each(function() world:close() end)

    it("is answered with its first number, whatever the limit says", function()
        start { limits = { user_messages = { 2, 60 } } }
        local one, two = message("lobby", "one"), message("lobby", "two")
        local first = alice:emit("message:send", one)
        assert.equal("ok", code(alice:emit("message:send", two)))
        local again = alice:emit("message:send", one)
        assert.same({ "ok", first.seq, first.id, true }, { code(again), again.seq, again.id, again.duplicate })
        assert.equal("rate_limited", code(alice:emit("message:send", message("lobby", "three"))))
        one.content = "another one"
        assert.equal("id_conflict", code(alice:emit("message:send", one)))
    end)

    it("costs no message, within the limit either", function()
        start { limits = { user_messages = { 2, 60 } } }
        local one = message("lobby", "one")
        for _ = 1, 5 do assert.equal("ok", code(alice:emit("message:send", one))) end
        assert.equal("ok", code(alice:emit("message:send", message("lobby", "two"))))
        assert.equal("rate_limited", code(alice:emit("message:send", message("lobby", "three"))))
    end)

    it("is charged as a read, so that nobody looks it up for ever", function()
        start { limits = { user_messages = { 2, 60 } } }
        local one = message("lobby", "one")
        alice:emit("message:send", one)
        alice:emit("message:send", message("lobby", "two"))
        local refused
        for i = 1, 601 do
            refused = code(alice:emit("message:send", one)) ~= "ok" and i
            if refused then break end
        end
        assert.equal(601, refused)
    end)

    it("is looked for ten times a minute when it is long", function()
        start { limits = { user_messages = { 2, 60 } } }
        local long = message("lobby", ("x"):rep(5000))
        alice:emit("message:send", long)
        alice:emit("message:send", message("lobby", "two"))
        for _ = 1, 10 do assert.equal("ok", code(alice:emit("message:send", long))) end
        assert.equal("rate_limited", code(alice:emit("message:send", long)))
    end)

    it("is known by its original content when hooks have changed it", function()
        start({}, { "tests/scripts/own_policy.lua" })
        for _, content in ipairs { "numbered", { word = "numbered" } } do
            local said = message("lobby", content)
            local first = alice:emit("message:send", said)
            local again = alice:emit("message:send", said)
            assert.same({ "ok", first.seq, true }, { code(again), again.seq, again.duplicate })
        end
    end)

    it("is not refused by a hook that has changed its mind", function()
        start({}, { "tests/scripts/own_policy.lua" })
        local said = message("lobby", "only once")
        local first = alice:emit("message:send", said)
        local again = alice:emit("message:send", said)
        assert.same({ "ok", first.seq }, { code(again), again.seq })
        said.clientId = "another"
        assert.equal("forbidden", code(alice:emit("message:send", said)))
        local post = { userId = "bot", content = "only once, too", clientId = "p" }
        local _, posted = support.api(world, "POST", "/api/channels/lobby/messages", post)
        assert.equal(posted.seq, select(2, support.api(world, "POST", "/api/channels/lobby/messages", post)).seq)
    end)

    it("may be an edit, a delete or a reaction as well", function()
        start { limits = { user_messages = { 2, 60 } } }
        local id = alice:emit("message:send", message("lobby", "one")).id
        local changes = {
            { "message:edit", { content = "two" } },
            { "reaction:add", { emoji = "👍" } },
            { "message:delete", {} },
        }
        local firsts = {}
        for i, change in ipairs(changes) do
            local arguments = change[2]
            arguments.channelId, arguments.messageId, arguments.clientId = "lobby", id, "change" .. i
            firsts[i] = alice:emit(change[1], arguments)
            assert.equal("ok", code(firsts[i]))
        end
        assert.equal("rate_limited", code(alice:emit("message:send", message("lobby", "three"))))
        for i, change in ipairs(changes) do
            local again = alice:emit(change[1], change[2])
            assert.same({ "ok", firsts[i].seq, true }, { code(again), again.seq, again.duplicate })
        end
    end)
end)
