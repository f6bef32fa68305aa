-- SPDX-License-Identifier: Apache-2.0
local support = require "tests.scripts.support"
local api, code, join = support.api, support.code, support.join

local FOREVER = 4102444800 -- 2100

describe("development mode", function()
    local world

    setup(function() world = support.world() end)
    teardown(function() world:close() end)

    it("believes the user id that a client sends", function()
        assert.is_truthy(world:connect { auth = { user = "alice" } })
    end)

    it("believes a user id of any identity provider", function()
        for _, name in ipairs { "auth0|5f7c", "alice@uni.example", "a b", "Åsa", ("x"):rep(255) } do
            assert.is_truthy(world:connect { auth = { user = name } })
        end
    end)

    it("refuses invalid user ids", function()
        for _, auth in ipairs { {}, { user = "" }, { user = ("x"):rep(256) }, { user = 7 }, { user = "a\nb" }, { user = "a\127" } } do
            local client, refusal = world:connect { auth = auth }
            assert.is_nil(client)
            assert.equal("unauthorized", refusal[2].code)
        end
    end)
end)

describe("a token", function()
    local world

    before_each(function()
        world = support.world({ auth = { mode = "jwt", secret = support.SECRET, issuer = "school" } }, { "tests/scripts/tools.lua" })
    end)
    after_each(function() world:close() end)

    local function sign(claims, secret)
        claims.iss = claims.iss or "school"
        local _, body = world:http("POST", "/tools/sign", { claims = claims, secret = secret or support.SECRET })
        return body.token
    end

    local function refused(token)
        local client, refusal = world:connect { auth = { token = token } }
        assert.is_nil(client)
        assert.equal("unauthorized", refusal[2].code)
    end

    it("names its user", function()
        local alice = assert(world:connect { auth = { token = sign { sub = "alice", name = "Alice", exp = FOREVER } } })
        world:advance(0.1)
        assert.equal("Alice", alice:emit("user:get", { userIds = { "alice" } }).users[1].name)
    end)

    it("may come in the query, where auth has none", function()
        assert.is_truthy(world:connect { query = { token = sign { sub = "alice", exp = FOREVER } } })
    end)

    it("takes precedence over auth.user", function()
        local client, refusal = world:connect { auth = { user = "alice" } }
        assert.is_nil(client)
        assert.equal("unauthorized", refusal[2].code)
    end)

    it("with a foreign signature is refused", function()
        refused(nil)
        refused("")
        refused("x.y.z")
        refused(("x"):rep(5000))
        refused(sign({ sub = "alice", exp = FOREVER }, ("another-"):rep(5)))
        refused(sign { sub = "alice", exp = FOREVER, iss = "elsewhere" })
        refused(sign { sub = "alice", exp = 1 })
        refused(sign { sub = "alice", exp = FOREVER, nbf = FOREVER })
    end)

    it("without a valid expiry is refused", function()
        refused(sign { sub = "alice" })
        refused(sign { sub = "alice", exp = "4102444800" })
        refused(sign { sub = "alice", exp = 1e308 })
    end)

    it("without a user is refused", function()
        refused(sign { exp = FOREVER })
        refused(sign { sub = "a\nb", exp = FOREVER })
        refused(sign { sub = "", exp = FOREVER })
        refused(sign { sub = ("x"):rep(256), exp = FOREVER })
        refused(sign { sub = 7.5, exp = FOREVER })
        refused(sign { sub = { "alice" }, exp = FOREVER })
    end)

    it("with another algorithm than ours is refused", function()
        local claims = sign({ sub = "alice", exp = FOREVER }):match("^[^.]+%.([^.]+)")
        refused("eyJhbGciOiJub25lIn0." .. claims .. ".")
        refused("eyJhbGciOiJuT25FIn0." .. claims .. ".")
        refused("eyJhbGciOiJSUzI1NiJ9." .. claims .. ".AAAA")
    end)

    it("ends the connection when it ends", function()
        local now = assert(tonumber((select(2, world:http("GET", "/tools/now")))))
        local alice = assert(world:connect { auth = { token = sign { sub = "alice", exp = math.floor(now) + 60 } } })
        world:advance(59)
        assert.is_true(alice.connected)
        world:advance(3)
        assert.is_false(alice.connected)
    end)

    it("can be guessed only so often from an address", function()
        local _, refusal
        for _ = 1, 100 do refused("x.y.z") end
        _, refusal = world:connect { auth = { token = "x.y.z" } }
        assert.equal("rate_limited", refusal[2].code)
        assert.is_true(refusal[2].retryAfter > 0)
        assert.is_truthy(world:connect { auth = { token = sign { sub = "alice", exp = FOREVER } } })
        world:advance(60)
        refused("x.y.z")
    end)

    it("with a valid signature is no guess", function()
        local expired, nobodys = sign { sub = "alice", exp = 1000 }, sign { exp = FOREVER }
        for _ = 1, 110 do
            refused(expired)
            refused(nobodys)
        end
        local forged, words = sign({ sub = "alice", exp = 1000 }, ("x"):rep(40)), {}
        for _ = 1, 102 do
            local _, refusal = world:connect { auth = { token = forged } }
            words[refusal[2].code] = (words[refusal[2].code] or 0) + 1
        end
        assert.same({ unauthorized = 100, rate_limited = 2 }, words)
    end)

    it("can be guessed only so often from one IPv6 network", function()
        local words = {}
        for i = 1, 102 do
            local _, refusal = world:connect { auth = { token = "x.y.z" }, address = ("2001:db8:1:2:%x::1"):format(i) }
            words[refusal[2].code] = (words[refusal[2].code] or 0) + 1
        end
        assert.same({ unauthorized = 100, rate_limited = 2 }, words)
        local _, refusal = world:connect { auth = { token = "x.y.z" }, address = "2001:db8:1:3::1" }
        assert.equal("unauthorized", refusal[2].code)
    end)
end)

describe("a guess", function()
    it("counts for a network of the configured size", function()
        local world = support.world {
            auth = { mode = "jwt", secret = support.SECRET },
            limits = { ipv6_prefix = 48, address_exceptions = { "192.0.2.0/24" } },
        }
        local function word_of(address)
            local _, refusal = world:connect { auth = { token = "x.y.z" }, address = address }
            return refusal[2].code
        end
        for i = 1, 100 do assert.equal("unauthorized", word_of(("2001:db8:1:%x::1"):format(i))) end
        assert.equal("rate_limited", word_of("2001:db8:1:ffff::1"))
        assert.equal("unauthorized", word_of("2001:db8:2::1"))
        for _ = 1, 110 do assert.equal("unauthorized", word_of("192.0.2.7")) end
        world:close()
    end)
end)

describe("a short secret", function()
    it("refuses to start", function()
        local started, message = pcall(support.world, { auth = { mode = "jwt", secret = "short" } })
        if started then message:close() end
        assert.is_false(started)
    end)
end)

describe("a session", function()
    local world

    before_each(function() world = support.world { auth = { mode = "session" } } end)
    after_each(function() world:close() end)

    local function create(user_id, ttl_s)
        local status, body = api(world, "POST", "/api/sessions", { userId = user_id, ttlSeconds = ttl_s })
        assert.equal(200, status)
        return body.token
    end

    it("lets its user in", function()
        local alice = assert(world:connect { auth = { token = create("alice", 600) } })
        api(world, "PUT", "/api/channels/lobby", { visibility = "public" })
        join(alice, "lobby")
        assert.equal("alice", alice:emit("channel:members", { channelId = "lobby" }).members[1].userId)
    end)

    it("that does not exist lets nobody in", function()
        local client, refusal = world:connect { auth = { token = "guessed" } }
        assert.is_nil(client)
        assert.equal("unauthorized", refusal[2].code)
    end)

    it("ends only its own connections within 5 s of its deletion", function()
        local token, other = create("alice", 600), create("alice", 600)
        local alice = assert(world:connect { auth = { token = token } })
        local elsewhere = assert(world:connect { auth = { token = other } })
        assert.equal(200, (api(world, "DELETE", "/api/sessions/" .. token)))
        world:advance(5)
        assert.is_false(alice.connected)
        assert.is_true(elsewhere.connected)
        assert.is_nil((world:connect { auth = { token = token } }))
        assert.equal(404, (api(world, "DELETE", "/api/sessions/" .. token)))
    end)

    it("ends when it expires", function()
        local alice = assert(world:connect { auth = { token = create("alice", 30) } })
        world:advance(32)
        assert.is_false(alice.connected)
    end)

    it("creates no channel by joining", function()
        local alice = assert(world:connect { auth = { token = create("alice", 30) } })
        assert.equal("forbidden", code(alice:emit("channel:join", { channelId = "nowhere" })))
    end)
end)
