-- SPDX-License-Identifier: Apache-2.0
-- Channels, users, sessions and the audit trail, as scripts use them.
local testing = require "stoa.testing"
local support = require "tests.lua.support"

setup(testing.capture_log)

local SCRIPT = [[
    local stoa = require "stoa"
    stoa.hook("authenticate", function(handshake) return { id = handshake.auth.user } end)
    stoa.hook("connect", function(socket) stoa.presence.connected(socket) end)
    stoa.hook("disconnect", function(socket) stoa.presence.disconnected(socket) end)
    local function method(object)
        return function(socket, id, name, ...)
            local arguments = { ... }
            for i, value in ipairs(arguments) do if value == "SOCKET" then arguments[i] = socket end end
            local target = object(id)
            return target[name](target, unpack(arguments))
        end
    end
    stoa.on("channel", method(stoa.channel))
    stoa.on("user", method(stoa.user))
    stoa.on("session", function(_, name, ...) return stoa.session[name](...) end)
    stoa.on("audit", function(_, name, ...) return stoa.audit[name](...) end)
    stoa.on("users", function(_, ids) return stoa.users(ids) end)
    stoa.on("presence", function(_, name, ...) return stoa.presence[name](...) end)
    stoa.on("ids", function(_, id) return stoa.channel(id).valid, stoa.user(id).valid, stoa.channel(id).room end)
]]

-- Answers of 64 KiB and more wait for each other, and their total is bounded.
describe("an append", function()
    it("that is stored is never answered unavailable, whatever the load", function()
        support.config = { lua = { wall_ms = 10000, memory_bytes = 2 * 2 ^ 20 } }
        local world = support.world [[
            local stoa, text = require "stoa", ("x"):rep(150000)
            local lobby = stoa.channel "lobby"
            stoa.on("put", function() return lobby:put { visibility = "public" } end)
            stoa.on("say", function()
                local ack, word = lobby:append { kind = "message", userId = "alice", content = text }
                return ack and "stored" or word
            end)
        ]]
        support.config = nil
        local clients = {}
        for i = 1, 60 do clients[i] = world:connect() end
        clients[1]:emit "put"
        for _, client in ipairs(clients) do client.wire:send '42500["say"]' end
        world:settle()
        for _, client in ipairs(clients) do
            client:events()
            assert.equal("stored", client.acks[500][1])
        end
        world:close()
    end)
end)

describe("with the store", function()
    local world, alice, bob
    before_each(function()
        world = support.world(SCRIPT)
        alice = world:connect { auth = { user = "alice" } }
        bob = world:connect { auth = { user = "bob" } }
    end)
    after_each(function() world:close() end)

    local function channel(client, ...) return client:emit("channel", "lobby", ...) end
    local function append(client, what)
        what.userId = what.userId or "alice"
        return channel(client, "append", what)
    end

    it("a channel is put, told, and not found before", function()
        assert.same({ testing.null, "not_found" }, { channel(alice, "info") })
        local put = channel(alice, "put", { name = "The lobby", visibility = "public" })
        assert.same({ "lobby", "The lobby", "public", 0, 0 }, { put.channelId, put.name, put.visibility, put.seq, put.members })
        assert.same(put, (channel(bob, "info")))
        assert.same({ testing.null, "bad_request" }, { channel(alice, "put", { visibility = "secret" }) })
    end)

    it("appends are numbered, told to followers, and kept once", function()
        channel(alice, "put", { visibility = "public" })
        local joined = channel(bob, "follow", "SOCKET")
        assert.equal(0, joined.seq)
        local ack = append(alice, { kind = "message", clientId = "c1", content = { text = "hi", list = testing.array {} } })
        assert.equal(1, ack.seq)
        assert.equal(joined.epoch, ack.epoch)
        local again = append(alice, { kind = "message", clientId = "c1", content = { text = "hi", list = testing.array {} } })
        assert.same({ ack.id, 1, true }, { again.id, again.seq, again.duplicate })
        assert.same({ testing.null, "id_conflict" }, { append(alice, { kind = "message", clientId = "c1", content = "other" }) })
        assert.equal(2, append(alice, { kind = "edit", messageId = ack.id, content = "bye" }).seq)
        assert.equal(3, append(bob, { kind = "reaction_add", userId = "bob", messageId = ack.id, emoji = "👍" }).seq)
        assert.equal(4, append(alice, { kind = "delete", messageId = ack.id }).seq)
        local names = {}
        for i, event in ipairs(bob:events()) do names[i] = event[1] .. " " .. event[2].seq end
        assert.same({ "message:new 1", "message:updated 2", "reaction:changed 3", "message:deleted 4" }, names)
        assert.same({ testing.null, "bad_request" },
            { append(alice, { kind = "message", clientId = ("c"):rep(8000), content = "hi" }) })
        assert.same({ testing.null, "not_found" }, { append(alice, { kind = "edit", messageId = "none", content = "x" }) })
        assert.is_truthy(channel(alice, "message", ack.id).deletedAt)
    end)

    it("missed events come with the next follow", function()
        channel(alice, "put", { visibility = "public" })
        local first = append(alice, { kind = "message", content = 1 })
        append(alice, { kind = "message", content = 2 })
        append(alice, { kind = "message", content = 3 })
        local joined = channel(bob, "follow", "SOCKET", { seq = 1, epoch = first.epoch })
        assert.same({ 3, 2, 2, 3 }, { joined.seq, #joined.events, joined.events[1][2].content, joined.events[2][2].content })
        local events = channel(alice, "events", { seq = 0, epoch = first.epoch, limit = 2 })
        assert.same({ 3, true, 2 }, { events.seq, events.more, #events.events })
        for _, cursor in ipairs { { seq = -1, epoch = "1-a" }, { seq = 1.5, epoch = "1-a" }, { seq = 1 }, { epoch = "1-a" }, "x", { seq = "1", epoch = "1-a" } } do
            assert.same({ testing.null, "bad_cursor" }, { channel(bob, "follow", "SOCKET", cursor) })
        end
        local page = channel(alice, "messages", { after = 0, limit = 2 })
        assert.same({ true, 1, 2 }, { page.more, page.messages[1].content, page.messages[2].content })
        page = channel(alice, "messages", { before = 3 })
        assert.same({ false, 2 }, { page.more, #page.messages })
    end)

    it("followers are known, online, and reached", function()
        channel(alice, "put", { visibility = "public" })
        channel(alice, "follow", "SOCKET")
        channel(bob, "follow", "SOCKET")
        assert.is_true((channel(alice, "followed_by", "SOCKET")))
        local users, count = channel(alice, "online")
        assert.same({ 2, 2 }, { #users, count })
        assert.equal(2, (channel(alice, "emit", "hello", 1)))
        assert.same({ { "hello", 1 } }, bob:events("hello"))
        assert.is_true((channel(bob, "unfollow", "SOCKET")))
        assert.is_false((channel(bob, "followed_by", "SOCKET")))
        assert.equal(1, (channel(alice, "emit", "hello", 2)))
        assert.same({}, bob:events("hello"))
    end)

    it("members come and go", function()
        channel(alice, "put", { visibility = "private" })
        assert.same({ testing.null, "not_found" }, { channel(alice, "member", "bob") })
        assert.is_true((channel(alice, "put_member", "bob", "member")))
        assert.is_true((channel(alice, "put_member", "bob", "moderator")))
        assert.same({ userId = "bob", role = "moderator" }, (channel(alice, "member", "bob")))
        assert.same({ { userId = "bob", role = "moderator" } }, (channel(alice, "members")))
        append(alice, { kind = "message", content = 1 })
        assert.is_true((channel(alice, "mark_read", "bob", 1)))
        local mine = bob:emit("user", "bob", "channels")
        assert.same({ "lobby", 1, 0 }, { mine[1].channelId, mine[1].readSeq, mine[1].unread })
        assert.same({ testing.null, "bad_request" }, { channel(alice, "put_member", "bob", "king") })
        assert.is_true((channel(alice, "remove_member", "bob")))
        assert.same({}, (channel(alice, "members")))
    end)

    it("malformed names are refused", function()
        for _, id in ipairs { "", "a b", ("x"):rep(65), "ü", "a\0b" } do
            assert.is_false((alice:emit("ids", id)))
            assert.same({ testing.null, "bad_channel" }, { alice:emit("channel", id, "info") })
            assert.same({ testing.null, "bad_channel" }, { alice:emit("channel", id, "append", { kind = "delete", userId = "a", messageId = "m" }) })
        end
        for _, id in ipairs { "", ("x"):rep(256), "a\nb", "a\0b", "a\127" } do
            assert.is_false((select(2, alice:emit("ids", id))))
            assert.same({ testing.null, "bad_request" }, { alice:emit("user", id, "get") })
        end
        assert.same({ true, true, "channel:a-Z_0.9:" }, { alice:emit("ids", "a-Z_0.9:") })
    end)

    it("user ids of identity providers are accepted", function()
        assert.is_truthy((channel(alice, "put", { visibility = "public" })))
        for _, id in ipairs { "auth0|5f7c", "alice@uni.example", 'CN="A",OU=\\x', "{u:}", "a b", "ü", ("\240\159\166\138"):rep(63) .. "abc" } do
            assert.is_true((select(2, alice:emit("ids", id))))
            assert.same({ true }, { alice:emit("user", id, "put", { name = "Somebody" }) }, id)
            assert.same({ id, "Somebody" }, { alice:emit("user", id, "get").userId, alice:emit("user", id, "get").name })
            assert.is_true((channel(alice, "put_member", id, "member")))
            assert.same({ userId = id, role = "member" }, (channel(alice, "member", id)))
            assert.same({ { id, "offline" } }, { { alice:emit("presence", "get", { id })[1].userId, "offline" } })
        end
    end)

    it("users have a profile, connections and a presence", function()
        assert.same({ testing.null, "not_found" }, { alice:emit("user", "alice", "get") })
        assert.is_true((alice:emit("user", "alice", "put", { name = "Alice" })))
        assert.equal("Alice", alice:emit("user", "alice", "get").name)
        assert.equal("Alice", alice:emit("users", { "alice", "nobody" })[1].name)
        assert.same({}, (alice:emit("users", testing.array {})))
        assert.equal(1, (alice:emit("user", "bob", "connections")))
        assert.equal("online", alice:emit("user", "bob", "presence").status)
        assert.is_true((bob:emit("presence", "update", "bob", "busy", "reading")))
        assert.same({ "busy", "reading" }, { alice:emit("presence", "get", { "bob" })[1].status, alice:emit("user", "bob", "presence").statusMessage })
        assert.same({ testing.null, "bad_request" }, { bob:emit("presence", "update", "bob", "asleep") })
        assert.equal(1, (alice:emit("user", "bob", "emit", "psst", 1)))
        assert.same({ { "psst", 1 } }, bob:events("psst"))
        assert.equal(1, (alice:emit("user", "bob", "disconnect")))
        assert.is_truthy(bob:closed())
    end)

    it("sessions are made, found and ended", function()
        local token = alice:emit("session", "create", "alice", 60)
        assert.matches("^[%w_-]+$", token)
        assert.equal(43, #token)
        assert.equal("alice", alice:emit("session", "find", token).userId)
        assert.same({ testing.null, "not_found" }, { alice:emit("session", "find", token .. "x") })
        assert.equal("alice", alice:emit("session", "delete", token).userId)
        assert.same({ testing.null, "not_found" }, { alice:emit("session", "find", token) })
        local short = alice:emit("session", "create", "alice", 5)
        world:advance(6)
        assert.same({ testing.null, "not_found" }, { alice:emit("session", "find", short) })
    end)

    it("what was done is in the audit trail, newest first", function()
        assert.is_true((alice:emit("audit", "write", "member.remove", { actor = "alice", channelId = "lobby", detail = { userId = "bob" } })))
        assert.is_true((alice:emit("audit", "write", "broadcast", { actor = "alice" })))
        local rows = alice:emit("audit", "list", { limit = 10 })
        assert.same({ 2, "broadcast", "member.remove" }, { #rows, rows[1].action, rows[2].action })
        assert.equal(1, #alice:emit("audit", "list", { channelId = "lobby" }))
        assert.same({ testing.null, "bad_request" }, { alice:emit("audit", "write", "x", { actor = "a\nb" }) })
    end)
end)

describe("presence follows connections, whatever scripts do", function()
    local world
    after_each(function() world:close() end)

    local function alice_and_bob(hook)
        world = support.world([[
            local stoa = require "stoa"
            stoa.hook("authenticate", function(handshake) return { id = handshake.auth.user } end)
            stoa.hook("connect", function(socket) stoa.presence.connected(socket) end)
            stoa.hook("disconnect", function(socket) ]] .. hook .. [[ end)
            stoa.on("status", function(_, id) return stoa.presence.get({ id })[1].status end)
        ]])
        return world:connect { auth = { user = "alice" } }, world:connect { auth = { user = "bob" } }
    end

    it("a disconnect hook that waits takes no returned user offline", function()
        local alice, bob = alice_and_bob "stoa.sleep(2) stoa.presence.disconnected(socket)"
        alice:drop()
        world:advance(1)
        assert.is_truthy(alice:reconnect())
        world:advance(20)
        assert.equal("online", (bob:emit("status", "alice")))
    end)

    it("a user who leaves is offline after the grace without scripts", function()
        local alice, bob = alice_and_bob ""
        alice:drop()
        assert.equal("online", (bob:emit("status", "alice")))
        world:advance(20)
        assert.equal("offline", (bob:emit("status", "alice")))
    end)

    it("a hook that names an ended socket brings nobody back", function()
        local alice, bob = alice_and_bob "stoa.sleep(1) stoa.presence.connected(socket)"
        alice:drop()
        world:advance(20)
        assert.equal("offline", (bob:emit("status", "alice")))
    end)
end)
