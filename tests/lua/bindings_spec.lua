-- SPDX-License-Identifier: Apache-2.0
-- What scripts can do with the core, and what they get when it fails.
local testing = require "stoa.testing"
local support = require "tests.lua.support"

setup(testing.capture_log)

local handler = support.handler

describe("a route", function()
    it("answers with status, body and headers", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.route("GET", "/a/{x}/b/{y}", function(r) return 200, { r.params.x, r.params.y, r.query.q } end)
            stoa.route("POST", "/text", function(r) return 202, r.body .. "!", { ["x-one"] = "1" } end)
            stoa.route("GET", "/none", function() return 204 end)
            stoa.route("GET", "/bad", function() return "200" end)
            stoa.route("GET", "/raise", function() error("x") end)
        ]]
        assert.same({ 200, { "1 2", "z", "7" } }, { world:http("GET", "/a/1%202/b/z?q=7") })
        assert.same({ 202, "hello!", { ["x-one"] = "1" } }, { world:http("POST", "/text", "hello") })
        assert.equal(204, (world:http("GET", "/none")))
        assert.equal(500, (world:http("GET", "/bad")))
        assert.equal(500, (world:http("GET", "/raise")))
        for _, path in ipairs { "/a//b/z", "/a/1/b/z/", "/a/1/b", "/A/1/b/z" } do assert.equal(404, (world:http("GET", path)), path) end
        assert.equal(404, (world:http("PUT", "/text")))
        world:close()
    end)

    it("may decide by the head, before the body is read", function()
        local world = support.world [[
            local stoa = require "stoa"
            local function head(request)
                assert(request.body == nil)
                if request.query.key == "right" then return { who = request.params.name } end
                if request.query.key == "wrong" then return nil, 401, "no", { ["x-one"] = "1" } end
            end
            local function answer(request, passed) return 200, passed.who .. #request.body end
            stoa.route("POST", "/keyed/{name}", { head = head }, answer)
            stoa.route("GET", "/keyed/{name}", { head = head }, answer)
        ]]
        assert.same({ 200, "alice3" }, { world:http("POST", "/keyed/alice?key=right", "\1\255\0") })
        assert.same({ 200, "alice0" }, { world:http("GET", "/keyed/alice?key=right") })
        assert.same({ 401, "no", { ["x-one"] = "1" } }, { world:http("POST", "/keyed/alice?key=wrong", "x") })
        for _, method in ipairs { "POST", "GET" } do assert.not_equal(200, (world:http(method, "/keyed/alice", "x"))) end
        world:close()
    end)
end)

describe("time", function()
    it("calls a repeated function on time, never twice at once", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.every(10, function() stoa.emit("tick", stoa.shared.add("ticks", 1)) stoa.sleep(15) end)
        ]]
        local alice = world:connect()
        world:advance(61)
        assert.same({ { "tick", 1 }, { "tick", 2 }, { "tick", 3 } }, alice:events("tick"))
        world:close()
    end)

    it("is that of the clock", function()
        local world = handler "return stoa.now(), stoa.iso(0), stoa.iso(1735689600.5)"
        local alice = world:connect()
        local first = alice:emit("run")
        world:advance(5)
        local second, zero, year = alice:emit("run")
        assert.is_true(second - first >= 5 and second - first < 5.5)
        assert.same({ "1970-01-01T00:00:00.000Z", "2025-01-01T00:00:00.500Z" }, { zero, year })
        world:close()
    end)

    it("passes for spawned tasks", function()
        local world = handler [[
            stoa.spawn(function(a, b) stoa.sleep(2) stoa.emit("later", a, b) end, 1, "x")
            return "at once"
        ]]
        local alice = world:connect()
        assert.equal("at once", (alice:emit("run")))
        assert.same({}, alice:events("later"))
        world:advance(3)
        assert.same({ { "later", 1, "x" } }, alice:events("later"))
        world:close()
    end)
end)

describe("a limit", function()
    local rules = [[
        stoa.limit("mine", { 2, 60 })
        stoa.limit("ours", { count = 3, seconds = 60, key = "all" })
        stoa.limit("paid", { count = function(user) return user.paid and 5 or 1 end, seconds = 60, cost = function(user) return user.cost or 1 end })
    ]]
    local world, alice
    before_each(function()
        world = handler("local asks, subject = ... local ok, word, refusal = stoa.take(asks, subject) return ok, word, refusal", rules)
        alice = world:connect()
    end)
    after_each(function() world:close() end)
    local function take(asks, subject) return (alice:emit("run", asks, subject or {})) == true end

    it("charges all or none", function()
        assert.is_true(take { mine = "a", ours = true })
        assert.is_true(take { mine = "a", ours = true })
        assert.is_false(take { mine = "a", ours = true })
        assert.is_true(take { mine = "b", ours = true })
        assert.is_false(take { mine = "b", ours = true })
        assert.is_true(take { mine = "b" })
    end)

    it("names itself and the time to retry", function()
        take { mine = "a" }
        take { mine = "a" }
        local ok, word, refusal = alice:emit("run", { mine = "a" })
        assert.same({ testing.null, "rate_limited", "mine" }, { ok, word, refusal.limit })
        assert.is_true(refusal.retryAfter > 29 and refusal.retryAfter <= 30)
        world:advance(refusal.retryAfter)
        assert.is_true(take { mine = "a" })
    end)

    it("may be a function of the subject", function()
        assert.is_true(take({ paid = "a" }, {}))
        assert.is_false(take({ paid = "a" }, {}))
        assert.is_true(take({ paid = "b" }, { paid = true, cost = 4 }))
        assert.is_false(take({ paid = "b" }, { paid = true, cost = 2 }))
        assert.is_true(take({ paid = "b" }, { paid = true, cost = 1 }))
    end)

    it("counts costs below one, exactly", function()
        local cost = { paid = true, cost = 0.1 }
        for _ = 1, 50 do assert.is_true(take({ paid = "a" }, cost)) end
        assert.is_false(take({ paid = "a" }, cost))
        assert.is_false(take({ paid = "a" }, { paid = true, cost = 1e-6 }))
    end)

    it("refuses a cost that is not a number above 0 within the count", function()
        for _, cost in ipairs { "0", "-1", "0/0", "1/0", "-1/0", "1e-7", "1e9", "1e300", "'1'" } do
            local rule = "{count = 1, seconds = 1, cost = " .. cost .. "}"
            assert.matches("limit 'x': cost", support.load_error("require('stoa').limit('x', " .. rule .. ")"))
            local later = "{count = 1, seconds = 1, cost = function() return " .. cost .. " end}"
            assert.equal("script_error", support.ran("return require('stoa').take{x = 'a'} end) "
                .. "require('stoa').limit('x', " .. later .. ") require('stoa').on('other', function()"), cost)
        end
    end)

    it("that is not defined passes", function()
        for _ = 1, 10 do assert.is_true(take { unknown = "a" }) end
    end)

    it("with invalid numbers is refused when it is defined", function()
        for _, rule in ipairs { "{}", "{1}", "{-1, 60}", "{1.5, 60}", "{1, 0}", "{count = 'x', seconds = 1}", "{1, 2, key = 7}" } do
            assert.matches("limit 'x'", support.load_error("require('stoa').limit('x', " .. rule .. ")"))
        end
    end)
end)

describe("shared state", function()
    it("is bounded, expires, counts", function()
        local world = handler [[
            local s = stoa.shared
            s.set("a", { 1, 2 }) s.set("short", true, 5) s.add("n", 2) s.add("n", 3)
            return s.get("a"), s.get("n"), s.get("none"), select(2, s.set("big", ("x"):rep(70000)))
        ]]
        local alice = world:connect()
        assert.same({ { 1, 2 }, 5, testing.null, "full" }, { alice:emit("run") })
        world:close()
    end)
end)

describe("stoa.shards", function()
    it("maps each bucket exactly once, or does not load", function()
        local stoa = "require('stoa').shards"
        assert.matches("bucket 4095 is not mapped", support.load_error(stoa .. "{shards = 1, ranges = {{0, 4094, 0}}}"))
        assert.matches("bucket 9 is mapped twice", support.load_error(stoa .. "{shards = 1, ranges = {{0, 9, 0}, {9, 4095, 0}}}"))
        assert.matches("shard 2 of 2", support.load_error(stoa .. "{shards = 2, ranges = {{0, 4095, 2}}}"))
        assert.matches("256", support.load_error(stoa .. "{shards = 257, ranges = {{0, 4095, 0}}}"))
        assert.matches("first bucket", support.load_error(stoa .. "{shards = 1, ranges = {{0, 4096, 0}}}"))
        local world = handler("return stoa.bucket('lobby')", "stoa.shards{shards = 2, ranges = {{0, 2047, 0}, {2048, 4095, 1}}}")
        local bucket, shard = world:connect():emit("run")
        assert.equal(bucket < 2048 and 0 or 1, shard)
        world:close()
    end)

    it("lets a function decide", function()
        local locate = "stoa.shards{shards = 3, locate = function(id) return id == 'lobby' and 2 or id end}"
        local world = handler("local _, lobby = stoa.bucket('lobby'); local _, yard = stoa.bucket('yard'); return lobby, yard", locate)
        local lobby, yard = world:connect():emit("run")
        assert.equal(2, lobby)
        assert.equal(-1, yard)
        world:close()
    end)
end)

describe("a bare engine and a namespace", function()
    it("is refused when there are more than are served", function()
        local load = "local stoa = require 'stoa' for i = 1, %d do "
            .. "stoa.engine('/engine' .. i .. '/', {message = print}) stoa.of('/namespace' .. i) end"
        support.world(load:format(64)):close()
        assert.matches("more than 64 endpoints", support.load_error(load:format(65)))
    end)

    it("are there once a script says so", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.engine("/engine.io/", { message = function(connection, data) connection:send(data) end })
            local admin = stoa.of("/admin")
            admin.on("who", function(socket) admin.emit("asked") return socket.namespace end)
        ]]
        local admin = assert(world:connect { namespace = "/admin" })
        assert.equal("/admin", (admin:emit("who")))
        assert.same({ { "asked" } }, admin:events())
        local _, refusal = world:connect { namespace = "/other" }
        assert.equal("Invalid namespace", refusal.message)
        local wire = world.core:client { endpoint = "/engine.io/" }
        wire:send("4hello")
        wire:send("\1\2", true)
        world:settle()
        assert.matches("^0{", (wire:take()))
        assert.equal("4hello", (wire:take()))
        assert.same({ "\1\2", true }, { wire:take() })
        world:close()
    end)
end)
