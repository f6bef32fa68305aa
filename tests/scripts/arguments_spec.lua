-- SPDX-License-Identifier: Apache-2.0
-- Arguments that Stoa's own clients never send.
local support = require "tests.scripts.support"
local client, join, code = support.client, support.join, support.code

describe("arguments", function()
    local world, alice

    setup(function()
        world = support.world { limits = { user_messages = false, channel_messages = false } }
        alice = client(world, "alice")
        join(alice, "lobby")
    end)
    teardown(function() world:close() end)

    local function refused(expected, event, arguments)
        assert.equal(expected, code(alice:emit(event, arguments)))
    end

    it("that are not a table are a bad request for every event", function()
        for _, event in ipairs {
            "channel:join", "channel:leave", "channel:members", "message:send", "message:edit", "message:delete",
            "reaction:add", "reaction:remove", "history:get", "thread:get", "sync", "read:mark", "typing",
            "presence:update", "presence:get", "user:get", "upload:request",
        } do
            for _, arguments in ipairs { "text", 7, true, {} } do refused("bad_request", event, arguments) end
        end
    end)

    it("may be missing where none are needed", function()
        assert.equal("ok", code(alice:emit("channel:list")))
        assert.equal("ok", code(alice:emit("channel:list", {})))
    end)

    it("with a malformed channel id are bad_channel", function()
        for _, id in ipairs { "", ("x"):rep(65), "a b", "*", "?", "a}{b", "a\nb", "a\0b", "ümlaut", "a/b", ("x"):rep(100000) } do
            refused("bad_channel", "channel:join", { channelId = id })
            refused("bad_channel", "history:get", { channelId = id })
        end
        for _, id in ipairs { 7, true, { "lobby" } } do refused("bad_request", "channel:join", { channelId = id }) end
    end)

    it("take ids of up to 64 of A-Z a-z 0-9 _ . : -", function()
        local longest = ("aZ9_.:-"):rep(9) .. "x"
        assert.equal(64, #longest)
        assert.equal("ok", code(alice:emit("channel:join", { channelId = longest })))
    end)

    it("with a malformed cursor are bad_cursor", function()
        local epoch = join(alice, "lobby").epoch
        for _, since in ipairs {
            { seq = -1, epoch = epoch }, { seq = 1.5, epoch = epoch }, { seq = "0", epoch = epoch },
            { seq = 2 ^ 60, epoch = epoch }, { seq = 0 }, { seq = 0, epoch = 1 }, { seq = 0, epoch = "" },
            { seq = 0, epoch = "x" }, { seq = 0, epoch = ("1"):rep(100) .. "-a" }, "text",
        } do
            refused("bad_cursor", "channel:join", { channelId = "lobby", since = since })
        end
    end)

    it("with invalid content are a bad request", function()
        for _, content in ipairs { "", "a\0b", { text = "a\0b" }, { ["a\0"] = 1 } } do
            refused("bad_request", "message:send", { channelId = "lobby", clientId = "x", content = content })
        end
        refused("bad_request", "message:send", { channelId = "lobby", clientId = "x" })
        assert.equal("ok", code(support.send(alice, "lobby", { text = "a backslash \\u0000 is no NUL" })))
    end)

    it("made of backslashes cost no more than other text of their length", function()
        for _, text in ipairs { ("\\"):rep(120000), ("\\u000"):rep(20000), ("@."):rep(60000) } do
            assert.equal("ok", code(support.send(alice, "lobby", { text = text })))
        end
    end)

    it("with oversized content are too_large", function()
        refused("too_large", "message:send", { channelId = "lobby", clientId = "x", content = ("x"):rep(300000) })
        refused("too_large", "message:send", { channelId = "lobby", clientId = "x", content = { ("x"):rep(300000) } })
    end)

    it("with a malformed clientId are a bad request", function()
        for _, id in ipairs { "", ("x"):rep(65), "a b", 7 } do
            refused("bad_request", "message:send", { channelId = "lobby", clientId = id, content = "x" })
        end
        refused("bad_request", "message:send", { channelId = "lobby", content = "x" })
    end)

    it("with attachments that are not a list of objects are a bad request", function()
        for _, attachments in ipairs { "text", { name = "x" }, { "x" }, { 1 } } do
            refused("bad_request", "message:send", support.message("lobby", "x", { attachments = attachments }))
        end
        local files = { { name = "a.png", url = "https://files.example.org/1" } }
        assert.equal("ok", code(support.send(alice, "lobby", "x", { attachments = files })))
        local events = alice:events("message:new")
        assert.same(files, events[#events][2].attachments)
    end)

    it("with no emoji or one beyond 64 bytes are refused", function()
        local receipt = support.send(alice, "lobby", "hello")
        for _, emoji in ipairs { "", ("x"):rep(33), "a\nb", 7, "+1", "👍👍", "🇩🇪🇫🇷", " ", "e" .. ("\204\129"):rep(32) } do
            refused("bad_request", "reaction:add", { channelId = "lobby", messageId = receipt.id, emoji = emoji })
        end
        for _, emoji in ipairs { "👨‍👩‍👧‍👦", "👩🏻‍❤️‍💋‍👨🏼", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇩🇪", "1️⃣", "👍🏽", "e" .. ("\204\129"):rep(31) } do
            local reaction = { channelId = "lobby", messageId = receipt.id, emoji = emoji }
            assert.equal("ok", code(alice:emit("reaction:add", reaction)), emoji)
            assert.equal("ok", code(alice:emit("reaction:remove", reaction)), emoji)
        end
    end)

    it("that look like SQL or Redis commands stay text", function()
        for _, text in ipairs { "'; DROP TABLE messages; --", "100%_", "\r\n*1\r\n$8\r\nFLUSHALL\r\n", "<script>alert(1)</script>" } do
            assert.equal("ok", code(support.send(alice, "lobby", text)))
            local events = alice:events("message:new")
            assert.equal(text, events[#events][2].content)
        end
    end)

    it("for reading are numbers", function()
        for _, value in ipairs { "x", true, -1, 1.5 } do
            refused("bad_request", "history:get", { channelId = "lobby", before = value })
            refused("bad_request", "read:mark", { channelId = "lobby", seq = value })
        end
        refused("bad_request", "history:get", { channelId = "lobby", limit = "many" })
    end)
end)
