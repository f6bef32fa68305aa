-- SPDX-License-Identifier: Apache-2.0
local support = require "tests.scripts.support"
local client, join, send, code = support.client, support.join, support.send, support.code
describe("a channel", function()
    local world, alice, bob

    before_each(function()
        world = support.world()
        alice, bob = client(world, "alice"), client(world, "bob")
    end)
    after_each(function() world:close() end)

    it("is created by its first member in development mode", function()
        local ack = join(alice, "lobby")
        assert.equal("lobby", ack.channelId)
        assert.equal(0, ack.seq)
        assert.matches("^%d+%-%w+$", ack.epoch)
        assert.equal(1, ack.members)
        assert.equal(1, ack.online)
        join(bob, "lobby")
        local members = alice:emit("channel:members", { channelId = "lobby" }).members
        table.sort(members, function(a, b) return a.userId < b.userId end)
        assert.same({ { userId = "alice", role = "owner" }, { userId = "bob", role = "member" } }, members)
    end)

    it("is created once when many join at the same time", function()
        local crowd = {}
        for i = 1, 20 do crowd[i] = client(world, "user-" .. i) end
        for round = 1, 20 do
            for _, one in ipairs(crowd) do
                one.wire:send(('42%d["channel:join",{"channelId":"new-%d"}]'):format(900 + round, round))
                world.core:turn() -- so that some join while the channel is being created
            end
            for _, one in ipairs(crowd) do
                local function answer() return one:events() and one.acks[900 + round] end
                assert.equal("ok", code(support.eventually(world, 2, answer)[1]))
            end
        end
    end)

    it("tells a new follower who is online, in one event", function()
        join(alice, "lobby")
        bob:events()
        join(bob, "lobby")
        local told = support.eventually(world, 1, function() return bob:events("presence:changed")[1] end)
        assert.equal("lobby", told[2].channelId)
        local names = {}
        for _, user in ipairs(told[2].users) do names[user.userId] = user.status end
        assert.same({ alice = "online", bob = "online" }, names)
    end)

    it("hands a message to all members with the sender's number", function()
        join(alice, "lobby")
        join(bob, "lobby")
        local receipt = send(alice, "lobby", "hello")
        assert.is_true(receipt.ok)
        assert.equal(1, receipt.seq)
        assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", receipt.createdAt)
        for _, reader in ipairs { alice, bob } do
            local event = reader:events("message:new")[1]
            assert.equal("hello", event[2].content)
            assert.equal("alice", event[2].userId)
            assert.equal(receipt.id, event[2].id)
            assert.equal(receipt.seq, event[2].seq)
            assert.equal(receipt.epoch, event[2].epoch)
        end
    end)

    it("stores a message once however often it is sent", function()
        join(alice, "lobby")
        local message = support.message("lobby", "once")
        local first = alice:emit("message:send", message)
        local again = alice:emit("message:send", message)
        assert.is_true(again.duplicate)
        assert.equal(first.id, again.id)
        assert.equal(first.seq, again.seq)
        assert.equal(1, #alice:events("message:new"))
    end)

    it("refuses a clientId that was used for something else", function()
        join(alice, "lobby")
        alice:emit("message:send", { channelId = "lobby", clientId = "one", content = "first" })
        assert.equal("id_conflict", code(alice:emit("message:send", { channelId = "lobby", clientId = "one", content = "other" })))
    end)

    it("keeps the clientIds of two users apart", function()
        join(alice, "lobby")
        join(bob, "lobby")
        local message = { channelId = "lobby", clientId = "same", content = "mine" }
        assert.is_nil(alice:emit("message:send", message).duplicate)
        assert.is_nil(bob:emit("message:send", message).duplicate)
    end)

    it("ignores what a client claims about sender and number", function()
        join(alice, "lobby")
        send(alice, "lobby", "hello", { userId = "bob", seq = 77, epoch = "9-x", sender = "bob" })
        local event = alice:events("message:new")[1]
        assert.equal("alice", event[2].userId)
        assert.equal(1, event[2].seq)
    end)

    it("takes no message of a user who has not joined", function()
        join(alice, "lobby")
        assert.equal("not_joined", code(send(bob, "lobby", "hello")))
        assert.equal(0, #alice:events("message:new"))
    end)

    it("sends nothing to a user who has left", function()
        join(alice, "lobby")
        join(bob, "lobby")
        assert.equal("ok", code(bob:emit("channel:leave", { channelId = "lobby" })))
        send(alice, "lobby", "are you there?")
        assert.equal(0, #bob:events("message:new"))
        assert.equal("not_joined", code(bob:emit("channel:leave", { channelId = "lobby" })))
    end)

    it("lists a member's channels with the count of unread messages", function()
        join(alice, "lobby")
        join(bob, "lobby")
        for i = 1, 3 do send(alice, "lobby", "message " .. i) end
        assert.equal(0, alice:emit("channel:list").channels[1].unread)
        local listed = bob:emit("channel:list").channels[1]
        assert.same({ "lobby", 3 }, { listed.channelId, listed.unread })
        assert.equal("ok", code(bob:emit("read:mark", { channelId = "lobby", seq = 2 })))
        assert.equal(1, bob:emit("channel:list").channels[1].unread)
        bob:emit("read:mark", { channelId = "lobby", seq = 1 })
        assert.equal(2, bob:emit("channel:list").channels[1].readSeq)
    end)

    it("gives a returning user only what was missed", function()
        local before = join(bob, "lobby")
        join(alice, "lobby")
        bob:emit("channel:leave", { channelId = "lobby" })
        send(alice, "lobby", "one")
        send(alice, "lobby", "two")
        local ack = join(bob, "lobby", { seq = before.seq, epoch = before.epoch })
        assert.equal(2, ack.seq)
        assert.equal(2, #ack.events)
        assert.equal("message:new", ack.events[1][1])
        assert.equal("one", ack.events[1][2].content)
        assert.equal("two", ack.events[2][2].content)
    end)

    it("resets a client with an unknown cursor", function()
        join(alice, "lobby")
        send(alice, "lobby", "one")
        local epoch = join(alice, "lobby").epoch
        local ahead = join(bob, "lobby", { seq = 1000, epoch = epoch })
        assert.same({ forkSeq = 1, epoch = epoch }, ahead.reset)
        assert.equal(1, ahead.seq)
        local elsewhere = join(bob, "lobby", { seq = 1, epoch = "1-ffffffff" })
        assert.equal(0, elsewhere.reset.forkSeq)
        assert.equal("one", elsewhere.events[1][2].content)
    end)

    it("has its history in pages, oldest first", function()
        join(alice, "lobby")
        for i = 1, 5 do send(alice, "lobby", "message " .. i) end
        local last = alice:emit("history:get", { channelId = "lobby", limit = 2 })
        assert.is_true(last.more)
        assert.same({ "message 4", "message 5" }, { last.messages[1].content, last.messages[2].content })
        local earlier = alice:emit("history:get", { channelId = "lobby", before = last.messages[1].messageSeq, limit = 100 })
        assert.is_false(earlier.more)
        assert.equal(3, #earlier.messages)
        local start = alice:emit("history:get", { channelId = "lobby", after = 0, limit = 2 })
        assert.equal("message 1", start.messages[1].content)
    end)

    it("brings a page's limit into range", function()
        join(alice, "lobby")
        send(alice, "lobby", "one")
        send(alice, "lobby", "two")
        assert.equal(2, #alice:emit("history:get", { channelId = "lobby", limit = 1e9 }).messages)
        assert.equal(1, #alice:emit("history:get", { channelId = "lobby", limit = -5 }).messages)
        assert.equal("bad_request", code(alice:emit("history:get", { channelId = "lobby", before = 1, after = 1 })))
    end)

    it("keeps a thread's messages together", function()
        join(alice, "lobby")
        local root = send(alice, "lobby", "question")
        send(alice, "lobby", "answer", { threadId = root.id })
        send(alice, "lobby", "something else")
        local thread = alice:emit("thread:get", { channelId = "lobby", threadId = root.id })
        local contents = {}
        for _, message in ipairs(thread.messages) do contents[message.content] = true end
        assert.is_true(contents.answer)
        assert.is_nil(contents["something else"])
        assert.equal("bad_request", code(alice:emit("thread:get", { channelId = "lobby" })))
        assert.equal("forbidden", code(send(alice, "lobby", "to nothing", { threadId = "nothing" })))
    end)

    it("catches up with many channels in one answer", function()
        local lobby, attic = join(bob, "lobby"), join(bob, "attic")
        join(alice, "lobby")
        send(alice, "lobby", "hello")
        local answer = bob:emit("sync", {
            channels = {
                lobby = { seq = lobby.seq, epoch = lobby.epoch },
                attic = { seq = attic.seq, epoch = attic.epoch },
                ["no channel"] = { seq = 0, epoch = attic.epoch },
                nowhere = { seq = 0, epoch = attic.epoch },
                broken = { seq = -1, epoch = attic.epoch },
            },
        })
        assert.equal(1, #answer.channels.lobby.events)
        assert.equal(1, answer.channels.lobby.seq)
        assert.equal(0, #answer.channels.attic.events)
        assert.equal("bad_channel", answer.channels["no channel"].error.code)
        assert.equal("forbidden", answer.channels.nowhere.error.code)
        assert.equal("bad_cursor", answer.channels.broken.error.code)
    end)

    it("reads no sync of more than 256 channels", function()
        local channels = {}
        for i = 1, 257 do channels["c" .. i] = { seq = 0, epoch = "1-a" } end
        assert.is_nil((alice:emit("sync", { channels = channels })))
        assert.is_truthy(alice:closed())
    end)
end)

describe("a message", function()
    local world, alice, bob

    before_each(function()
        world = support.world()
        alice, bob = client(world, "alice"), client(world, "bob")
        join(alice, "lobby")
        join(bob, "lobby")
    end)
    after_each(function() world:close() end)

    local function emit(who, event, receipt, more)
        local arguments = { channelId = "lobby", messageId = receipt.id }
        for key, value in pairs(more or {}) do arguments[key] = value end
        return who:emit(event, arguments)
    end

    it("is edited by its author alone", function()
        local receipt = send(bob, "lobby", "helo")
        assert.equal("forbidden", code(emit(alice, "message:edit", receipt, { content = "mine" })))
        local edit = emit(bob, "message:edit", receipt, { content = "hello" })
        assert.equal(2, edit.seq)
        local event = alice:events("message:updated")[1]
        assert.equal("hello", event[2].content)
        assert.is_string(event[2].editedAt)
        assert.equal(1, event[2].messageSeq)
    end)

    it("is deleted only by its author, a moderator or an owner", function()
        local receipt = send(alice, "lobby", "hello")
        assert.equal("forbidden", code(emit(bob, "message:delete", receipt)))
        support.api(world, "PUT", "/api/channels/lobby/members/bob", { role = "moderator" })
        assert.equal("ok", code(emit(bob, "message:delete", receipt)))
        assert.equal(receipt.id, alice:events("message:deleted")[1][2].messageId)
        local own = send(bob, "lobby", "oops")
        assert.equal("ok", code(emit(bob, "message:delete", own)))
    end)

    it("has no content once it is deleted", function()
        local receipt = send(alice, "lobby", "secret")
        emit(alice, "message:delete", receipt)
        for _, message in ipairs(bob:emit("history:get", { channelId = "lobby" }).messages) do
            assert.not_equal("secret", message.content)
        end
    end)

    it("is deleted once by a request that is repeated", function()
        local receipt = send(alice, "lobby", "hello")
        local first = emit(alice, "message:delete", receipt, { clientId = "d1" })
        local again = emit(alice, "message:delete", receipt, { clientId = "d1" })
        assert.equal(first.seq, again.seq)
        assert.equal(1, #bob:events("message:deleted"))
    end)

    it("collects reactions, and a user takes back only their own", function()
        local receipt = send(alice, "lobby", "hello")
        assert.equal("ok", code(emit(alice, "reaction:add", receipt, { emoji = "👍" })))
        assert.equal("ok", code(emit(bob, "reaction:add", receipt, { emoji = "👍" })))
        assert.equal("ok", code(emit(bob, "reaction:remove", receipt, { emoji = "👍" })))
        local events = alice:events("reaction:changed")
        assert.equal(3, #events)
        assert.is_false(events[3][2].added)
        local message = alice:emit("history:get", { channelId = "lobby" }).messages[1]
        assert.same({ ["👍"] = { "alice" } }, message.reactions)
    end)

    it("that does not exist cannot be changed", function()
        local nothing = { id = "nothing" }
        assert.equal("forbidden", code(emit(alice, "message:edit", nothing, { content = "x" })))
        assert.equal("forbidden", code(emit(alice, "message:delete", nothing)))
        assert.equal("forbidden", code(emit(alice, "reaction:add", nothing, { emoji = "x" })))
    end)

    it("may be any JSON value, and arrives as it was sent", function()
        for _, content in ipairs { { text = "hello", parts = { 1, 2, { deep = true } } }, 42, true, "χαῖρε 👋" } do
            assert.equal("ok", code(send(alice, "lobby", content)))
            local events = bob:events("message:new")
            assert.same(content, events[#events][2].content)
        end
    end)
end)
