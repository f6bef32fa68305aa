-- SPDX-License-Identifier: Apache-2.0
-- Values keep their shapes on the way from a client through a script and back.
local testing = require "stoa.testing"
local support = require "tests.lua.support"
local ran = support.ran

setup(testing.capture_log)

describe("what a client says", function()
    it("is checked in one call for JSON, length and U+0000", function()
        local world = support.handler [[
            local values = { raw = stoa.raw('["\\u0000"]'), fn = print, binary = stoa.binary("x"), ... }
            local which, max_bytes = ...
            local value = values[which]
            if value == nil then value = which end
            local fits, word = stoa.json.check(value, max_bytes)
            return fits or word
        ]]
        local client = world:connect()
        local function check(value, max_bytes) return (client:emit("run", value, max_bytes or 100)) end
        for _, value in ipairs { 1, true, "", "text", { a = { 1, "b" } }, "\\u0000", testing.array {} } do
            assert.is_true(check(value))
        end
        for _, value in ipairs { "a\0b", { "a\0b" }, { ["\0"] = 1 }, "raw", "fn", "binary" } do
            assert.equal("bad_request", check(value))
        end
        assert.is_true(check(("x"):rep(98)))
        assert.equal("too_large", check(("x"):rep(99)))
        assert.equal("too_large", check({ ("x"):rep(50), ("y"):rep(50) }))
        assert.equal("too_large", check(("\\"):rep(50)))
        world:close()
    end)
end)

describe("an argument", function()
    local world, client

    setup(function()
        world = support.world [[
            local stoa = require "stoa"
            stoa.on("echo", function(socket, ...) return ... end)
            stoa.on("json", function(socket, value) return stoa.json.encode(value) end)
            stoa.on("raw", { raw = true }, function(socket, json) return json, stoa.raw(json) end)
            stoa.on("type", function(socket, value) return type(value), stoa.is_array(value), stoa.is_binary(value) end)
        ]]
        client = world:connect()
    end)
    teardown(function() world:close() end)

    local function json(value) return (client:emit("json", value)) end

    it("leaves as it came", function()
        for _, value in ipairs { 0, -1, 1.5, 1e300, 2 ^ 53, true, false, "", "text", "\0\1\127", "Ω 🎈", { a = { b = { 1, { 2 } } } } } do
            assert.same({ value }, { client:emit("echo", value) })
        end
        assert.equal("[]", json(testing.array {}))
        assert.equal("{}", json {})
        assert.equal("[[],{}]", json { testing.array {}, {} })
        assert.equal("null", json(testing.null))
        assert.equal("[null,1,null]", json { testing.null, 1, testing.null })
        assert.same({}, { client:emit("echo") })
        assert.same({ testing.null, 1, testing.null }, { client:emit("echo", testing.null, 1, testing.null) })
    end)

    it("that is a number too large for a double is a string", function()
        local raw = { client:emit("raw", "x") }
        assert.equal('["x"]', raw[1])
        client.wire:send '4277["type",9007199254740993]'
        world:settle()
        assert.same({ "string", false, false }, client.acks[77])
        client.wire:send '4278["echo",9007199254740992,-9007199254740993,1e999,18446744073709551616]'
        world:settle()
        assert.same({ 2 ^ 53, "-9007199254740993", "1e999", "18446744073709551616" }, client.acks[78])
    end)

    it("reaches a raw handler undecoded", function()
        client.wire:send '4279["raw", 1.0 ,{"b":[ ],"a":1}]'
        world:settle()
        assert.equal('[1.0,{"b":[ ],"a":1}]', client.acks[79][1])
        assert.same({ 1, { b = {}, a = 1 } }, client.acks[79][2])
    end)

    it("of bytes stays bytes", function()
        local bytes = testing.binary "\0\255abc"
        local back, twice = client:emit("echo", bytes, { deep = { testing.binary "" } })
        assert.equal("\0\255abc", tostring(back))
        assert.equal("", tostring(twice.deep[1]))
        assert.same({ "userdata", false, true }, { client:emit("type", bytes) })
    end)
end)

describe("what clients send becomes no more memory than", function()
    local world, alice, bob
    local function many(len) return "[" .. ("{},"):rep(len) .. "0]" end
    local function ask(client, name, json)
        client.acks[500] = nil
        client.wire:send('42500["' .. name .. '",' .. json .. "]")
        world:settle()
        client:events()
        return client.acks[500] and client.acks[500][1]
    end

    before_each(function()
        support.config = { lua = { wall_ms = 10000, memory_bytes = 8 * 2 ^ 20 } }
        world = support.world [[
            local stoa = require "stoa"
            stoa.on("count", function(socket, value) return #value end)
            stoa.on("raw", { raw = true }, function(socket, json) return #json end)
            stoa.on("hold", function(socket, value) stoa.sleep(5) return #value end)
        ]]
        support.config = nil
        alice, bob = world:connect(), world:connect()
        testing.logged()
    end)
    after_each(function() world:close() end)

    it("a client without a user may send: fewer values than others", function()
        support.config = { lua = { wall_ms = 10000 } }
        local door = support.world 'require("stoa").hook("authenticate", function() return { id = "anybody" } end)'
        support.config = nil
        local function knock(auth)
            local client, refusal = door:connect { auth = auth }
            return client and "in" or refusal.message
        end
        local empty = testing.array {}
        local function of(number, value)
            local list = testing.array {}
            for i = 1, number do list[i] = value end
            return { token = list }
        end
        assert.equal("in", knock { token = ("x"):rep(60000) })
        assert.equal("in", knock(of(1000, empty)))
        assert.equal("too_large", knock(of(20000, empty)))
        door:close()
    end)

    it("one call may take: beyond, it is refused before anybody is asked", function()
        for _, name in ipairs { "count", "hold" } do
            assert.equal("too_large", ask(alice, name, many(12000)).error.code)
        end
        assert.equal(9001, ask(alice, "count", many(9000)))
        assert.equal(36005, ask(alice, "raw", many(12000))) -- a text has no nested values to count
        assert.equal(900000, ask(alice, "count", '"' .. ("x"):rep(900000) .. '"'))
        assert.equal("", testing.logged())
    end)

    it("its scripts may decode", function()
        support.config = { lua = { wall_ms = 10000 } }
        local problem = ran "return select(2, pcall(require('stoa').json.decode, '[' .. ('0,'):rep(70000) .. '0]'))"
        support.config = nil
        assert.matches("too large", problem)
    end)

    it("all together may take: who sends little goes on", function()
        local large = { world:connect(), world:connect(), world:connect() }
        local held = {}
        for i, client in ipairs(large) do held[i] = ask(client, "hold", many(9000)) or "waits" end
        assert.same({ "waits", "waits" }, { held[1], held[2] })
        assert.equal("unavailable", held[3].error.code)
        assert.equal(3, ask(bob, "count", "[1,2,3]"))
        world:advance(6)
        assert.equal(9001, ask(large[3], "count", many(9000)))
    end)
end)

describe("stoa.json", function()
    it("reads back what it wrote", function()
        assert.equal('{"a":[1,2]}', ran "local j = require('stoa').json return j.encode(j.decode(' {\"a\" : [1,2] } '))")
        assert.equal("bad_json", ran "return select(2, require('stoa').json.decode('{'))")
        assert.equal("bad_json", ran "return select(2, require('stoa').json.decode(('['):rep(100) .. (']'):rep(100)))")
        assert.equal("bad_value", ran "return select(2, require('stoa').json.encode(print))")
        assert.equal('"\\u2028"', ran "return require('stoa').json.encode('\226\128\168')")
    end)

    it("splices raw JSON in", function()
        assert.same({ a = { 1, 2 } }, ran "return {a = require('stoa').raw('[1,2]')}")
        assert.equal("bad_json", ran "return select(2, require('stoa').raw('[1,'))")
        assert.equal(2, ran "return require('stoa').raw('[1,2]'):decode()[2]")
    end)
end)

describe("cjson", function()
    it("is what scripts know by that name, within the bounds of a call", function()
        assert.equal("[1,2]", ran "return require('cjson').encode({1, 2})")
        assert.equal(1, ran "return require('cjson').decode('{\"a\":1}').a")
        assert.is_true(ran "local cjson = require('cjson') return cjson.decode('[null]')[1] == cjson.null")
        assert.equal("[null]", ran "local cjson = require('cjson') return cjson.encode({cjson.null})")
        assert.is_false(ran "return (pcall(require('cjson').decode, '{'))")
        assert.is_false(ran "return (pcall(require('cjson').encode, print))")
        local done, problem = ran [[
            local t = { ("x"):rep(1000) }
            for _ = 1, 16 do t = { t, t } end
            local done, problem = pcall(require("cjson").encode, t)
            return done, done and #problem or problem
        ]]
        assert.is_false(done)
        assert.matches("too large", problem)
    end)
end)

-- Compares our pattern matcher with LuaJIT's.
describe("a string function", function()
    local world, client

    setup(function()
        world = support.world [[
            local stoa = require "stoa"
            local function all(ok, ...) return ok and { ok, ... } or { false } end
            stoa.on("call", function(socket, name, ...) return all(pcall(string[name], ...)) end)
            stoa.on("gmatch", function(socket, text, pattern)
                local found = stoa.array {}
                for a, b in text:gmatch(pattern) do found[#found + 1] = b and a .. "," .. b or tostring(a) end
                return found
            end)
        ]]
        client = world:connect()
    end)
    teardown(function() world:close() end)

    local function here(name, ...)
        local results = { pcall(string[name], ...) }
        if not results[1] then return { false } end
        for i = 1, table.maxn(results) do if results[i] == nil then results[i] = testing.null end end
        return results
    end
    local function same(name, ...) assert.same(here(name, ...), (client:emit("call", name, ...))) end

    local subjects = { "", "a", "hello world", "key = value", "THE (quick) fox", "f(a(b)c)d", "aXb-aXb", "  x  ", "1,2,,3" }
    local patterns = { "", "a", ".", "%w+", "^%s*(.-)%s*$", "(%w+) = (%w+)", "%((%a+)%)", "%b()", "()ll()", "(a)(X)%w", "%f[%a]%a+",
        "(.)%1", "[^,]*", "[%w-]+", "[a-c]", "%d?", "x*", "a-b", "^a", "b$", "%a+$", "[]]", "[^]]", "(()", "%", "[a", "%g", "%x",
        "%1", "(", ")", "[%a", "%b", "%f", ".-", "^(.*)$", "h.-o", "[%z]" }

    it("finds what Lua's own finds", function()
        for _, subject in ipairs(subjects) do
            for _, pattern in ipairs(patterns) do
                same("find", subject, pattern)
                same("match", subject, pattern)
                same("find", subject, pattern, 3)
                same("match", subject, pattern, -2)
                same("find", subject, pattern, 1, true)
            end
        end
    end)

    it("replaces what Lua's own replaces", function()
        for _, subject in ipairs(subjects) do
            for _, pattern in ipairs(patterns) do
                same("gsub", subject, pattern, "<%0>")
                same("gsub", subject, pattern, "<%1>")
                same("gsub", subject, pattern, "", 1)
                same("gsub", subject, pattern, { a = "b", hello = "bye" })
            end
        end
        same("gsub", "abc", "%w", "%%%0", 2)
        assert.same({ true, "", 0 }, (client:emit("call", "gsub", "", "a", "b")))
    end)

    it("walks what Lua's own walks", function()
        for _, subject in ipairs(subjects) do
            for _, pattern in ipairs { "%a+", "(%w+)=(%w+)", "[^,]*", "()", ".", "x*" } do
                local expected = {}
                for a, b in subject:gmatch(pattern) do expected[#expected + 1] = b and a .. "," .. b or tostring(a) end
                assert.same(expected, (client:emit("gmatch", subject, pattern)))
            end
        end
    end)

    it("repeats and formats", function()
        same("rep", "ab", 3)
        same("rep", "ab", 0)
        same("rep", "ab", 3, ",")
        same("format", "%5.2f %s %d %q", 1.234, "x", 7, "a\nb")
        same("format", "%d", "x")
    end)
end)
