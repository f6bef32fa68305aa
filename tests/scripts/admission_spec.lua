-- SPDX-License-Identifier: Apache-2.0
local support = require "tests.scripts.support"
local client, code, join, send = support.client, support.code, support.join, support.send

describe("the banned", function()
    local world

    setup(function() world = support.world { app = { banned = { "mallory", "192.0.2.7", "::ffff:192.0.2.66" } } } end)
    teardown(function() world:close() end)

    it("are refused by name", function()
        local refused, refusal = world:connect { auth = { user = "mallory" } }
        assert.is_nil(refused)
        assert.equal("forbidden", refusal[2].code)
        client(world, "alice")
    end)

    it("are refused by address", function()
        for _, address in ipairs { "192.0.2.7", "192.0.2.66" } do
            local refused, refusal = world:connect { auth = { user = "eve" }, address = address }
            assert.is_nil(refused)
            assert.equal("forbidden", refusal[2].code)
        end
    end)
end)

describe("an operator's own hook", function()
    local world, alice

    setup(function()
        world = support.world({}, { "tests/scripts/no_links.lua" })
        alice = client(world, "alice")
        join(alice, "lobby")
    end)
    teardown(function() world:close() end)

    it("refuses a message with a sentence of its own", function()
        local answer = send(alice, "lobby", "see https://example.org")
        assert.equal("forbidden", code(answer))
        assert.equal("No links here, please.", answer.error.message)
        assert.equal("ok", code(send(alice, "lobby", "see for yourself")))
    end)

    it("sees an edit too", function()
        local receipt = send(alice, "lobby", "harmless")
        local edit = { channelId = "lobby", messageId = receipt.id, content = "https://example.org" }
        assert.equal("forbidden", code(alice:emit("message:edit", edit)))
    end)
end)
describe("the hook deliver", function()
    it("is told of each new message once, and delays nobody", function()
        local world = support.world({}, { "tests/scripts/echo_receipts.lua" })
        local alice = client(world, "alice")
        join(alice, "lobby")
        assert.equal("ok", code(send(alice, "lobby", "hello", { clientId = "same" })))
        assert.equal("ok", code(send(alice, "lobby", "hello", { clientId = "same" }))) -- a retry is not a new message
        local told = support.eventually(world, 5, function() return alice:events("delivered")[1] end)
        assert.same({ "delivered", "hello", 1 }, { told[1], told[2], told[3] })
        world:advance(5)
        assert.same({}, alice:events("delivered"))
        world:close()
    end)
end)

