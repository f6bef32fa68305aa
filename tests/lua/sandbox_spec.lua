-- SPDX-License-Identifier: Apache-2.0
-- What a script cannot do, and what the server does when it tries.
local testing = require "stoa.testing"
local support = require "tests.lua.support"
local load_error, ran = support.load_error, support.ran

setup(testing.capture_log)

describe("loading", function()
    it("refuses bytecode", function()
        assert.matches("bytecode", load_error(string.dump(function() end)))
        assert.matches("bytecode", load_error("\27LJ\2\10"))
    end)

    it("names file and line of a syntax error and of what raises", function()
        assert.matches("script%.lua:2: ", load_error("local a\nlocal = 1"))
        assert.matches("script%.lua:3: no good", load_error("\n\nerror 'no good'"))
    end)

    it("ends a script that does not end", function()
        assert.matches("script%.lua:1: ran over its budget", load_error("while true do end"))
    end)

    it("ends a script that wants all memory", function()
        assert.matches("not enough memory", load_error("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(2 ^ 20) .. i end"))
    end)

    it("runs self-tests, which refuse a generation", function()
        local message = load_error("require('stoa').selftest('one is two', function() assert(1 == 2, 'it is not') end)")
        assert.matches("it is not", message)
        assert.matches("one is two", message)
    end)

    it("lets nothing wait or act", function()
        assert.matches("while a script is being loaded", load_error("require('stoa').emit('hello')"))
        assert.matches("nothing can wait here", load_error("require('stoa').sleep(1)"))
    end)

    it("refuses a second handler, a reserved event, an unknown hook", function()
        local stoa = "local stoa = require 'stoa' "
        assert.matches("has a handler already", load_error(stoa .. "stoa.on('a', print) stoa.on('a', print)"))
        assert.matches("reserved", load_error(stoa .. "stoa.on('disconnect', print)"))
        assert.matches("no hook 'conect'", load_error(stoa .. "stoa.hook('conect', print)"))
    end)
end)

describe("a script finds", function()
    it("none of Lua's dangerous functions", function()
        local absent = { "io", "debug", "ffi", "jit", "package", "load", "loadstring", "loadfile", "dofile", "setfenv",
            "getfenv", "newproxy", "collectgarbage", "module" }
        for _, name in ipairs(absent) do assert.equal("nil", ran("return type(_G." .. name .. ")"), name) end
        assert.equal("nil", ran "return type(os.execute)")
        assert.equal("nil", ran "return type(os.exit)")
        assert.equal("nil", ran "return type(os.getenv)")
        assert.equal("nil", ran "return type(string.dump)")
        assert.equal("nil", ran "return type(('').dump)")
    end)

    it("that require loads only shipped and neighbouring files", function()
        for _, name in ipairs { "ffi", "io", "debug", "jit", "string.buffer", "table.new", "../outside", "/etc/passwd", "socket" } do
            assert.is_false(ran("return (pcall(require, '" .. name .. "'))"), name)
        end
        assert.equal("table", ran "return type(require 'cjson')")
        assert.equal("table", ran "return type(require 'stoa.log')")
    end)

    it("strings whose methods cannot be replaced", function()
        assert.is_false(ran "return getmetatable('')")
        assert.is_false(ran "return (pcall(function() getmetatable('').__index.rep = print end))")
        assert.is_false(ran "return (pcall(function() string.rep = print end))")
        assert.is_false(ran "return (pcall(rawset, string, 'rep', print))")
        assert.is_false(ran "return (pcall(setmetatable, string, {}))")
        assert.equal("aa", ran "return ('a'):rep(2)")
    end)

    it("the server's tables read-only", function()
        assert.is_false(ran "local stoa = require 'stoa' return (pcall(function() stoa.on = print end))")
        assert.is_false(ran "local stoa = require 'stoa' return (pcall(rawset, stoa.log, 'info', print))")
    end)
end)

describe("a run over its budget", function()
    it("is ended, whatever it loops in", function()
        for _, text in ipairs {
            "while true do end",
            "local function f() return f() end f()",
            "while true do pcall(function() while true do end end) end",
            "while true do xpcall(function() while true do end end, function() while true do end end) end",
            "local co = coroutine.wrap(function() while true do end end) while true do pcall(co) end",
            "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
            "repeat until false",
            "for _ = 1, 1e12 do end",
        } do
            assert.equal("script_error", ran(text), text)
        end
    end)

    it("is ended in the middle of a pattern", function()
        assert.equal("script_error", ran "return (('a'):rep(3000):find(('a-'):rep(5) .. 'b'))")
        assert.equal("script_error", ran "return (('a'):rep(3000):match(('a*'):rep(8) .. 'b'))")
        assert.equal("script_error", ran "return (('x'):rep(100000):gsub('.-b', ''))")
    end)

    local long = {
        upper = "for _ = 1, 200 do local _ = s:upper() end",
        lower = "for _ = 1, 200 do local _ = s:lower() end",
        reverse = "for _ = 1, 200 do local _ = s:reverse() end",
        equal = "for _ = 1, 1000 do require('stoa').crypto.equal(s, s) end",
        concat = "local t = {} for i = 1, 1000 do t[i] = s:sub(1, 1000) end for _ = 1, 200 do local _ = table.concat(t) end",
        insert = "local t = {} for i = 1, 50000 do t[i] = i end for _ = 1, 1000 do table.insert(t, 1, 0) end",
        insert_far = "table.insert({}, -2 ^ 31, 1)",
        remove = "local t = {} for i = 1, 50000 do t[i] = i end for _ = 1, 1000 do table.remove(t, 1) end",
        sort = "local t = {} for i = 1, 100000 do t[i] = i * 7919 % 100003 end table.sort(t)",
    }
    for name, way in pairs(long) do
        it("is ended in the middle of long work on bytes and items: " .. name, function()
            support.config = { lua = { instructions = 5000000, wall_ms = 10000 } }
            local code = ran("local s = ('x'):rep(2 ^ 19) " .. way .. " return 'done'")
            support.config = nil
            assert.equal("script_error", code)
        end)
    end

    it("or of memory is ended, and others go on", function()
        for _, text in ipairs {
            "local s = ('x'):rep(2^20) local t = {} for i = 1, 1e9 do t[i] = s .. i end",
            "local t = {} for i = 1, 1e9 do t[i] = i end",
            "local t = {} for i = 1, 1e6 do t[i] = coroutine.create(function() coroutine.yield() end) coroutine.resume(t[i]) end",
            "local t = {} while true do pcall(function() for i = 1, 1e9 do t[#t + 1] = {} end end) end",
        } do
            assert.equal("script_error", ran(text), text)
        end
        assert.is_false(ran "return (pcall(string.rep, 'x', 2^28))")
        assert.is_false(ran "local function f() return 1 + f() end return (pcall(f))")
    end)
end)

describe("memory", function()
    it("is charged to the call that takes it, not to others", function()
        support.config = { lua = { wall_ms = 10000 } }
        local world = support.world [[
            local stoa = require "stoa"
            local ways = {
                function() local t = {} while true do t[#t + 1] = ("x"):rep(2 ^ 20) .. #t end end,
                function() local t = {} for i = 1, 1e9 do t[i] = {} end end,
                function() local s = "x" while true do s = s .. s end end,
                function() return (("x"):rep(2 ^ 14):gsub("x", ("y"):rep(2 ^ 12))) end,
            }
            stoa.on("eat", function(socket, way) pcall(ways[way]) return "swallowed" end)
            stoa.on("wait", function() stoa.sleep(5) return "waited" end)
            stoa.on("litter", function()
                for i = 1, 10 do local _ = ("x"):rep(2 ^ 21) .. i end
                return "done"
            end)
        ]]
        support.config = nil
        local alice, bob = world:connect(), world:connect()
        testing.logged()
        bob.wire:send('42900["wait"]')
        alice:emit("eat", 4) -- the result would be too long, and its computation takes too much memory
        for way = 1, 3 do assert.equal("script_error", alice:emit("eat", way).error.code, way) end
        local logged = testing.logged()
        assert.matches("kind=budget", logged)
        assert.is_nil(logged:find("policy.rebuilt", 1, true))
        assert.equal("done", (alice:emit "litter"))
        world:advance(6)
        bob:events()
        assert.equal("waited", bob.acks[900][1])
        world:close()
    end)
end)

describe("what a handler returns", function()
    it("must be sendable", function()
        for _, text in ipairs {
            "local t = {} t.t = t return t",
            "return {[0/0 == 0/0 and 1 or 1.5] = 1}",
            "return 0/0",
            "return print",
            "return {a = function() end}",
            "return coroutine.create(print)",
            "return '\\255'",
            "return {1, 2, x = 3}",
            "return {[1] = 1, [3] = 3}",
            "local s = ('x'):rep(2^20) local t = {} for i = 1, 40 do t[i] = s end return t",
        } do
            assert.equal("script_error", ran(text), text)
        end
    end)
end)

describe("globals", function()
    it("cannot be written after loading", function()
        assert.equal("script_error", ran "leak = 1")
        assert.equal("script_error", ran "_G.leak = 1")
        assert.is_false(ran "return (pcall(rawset, _G, 'leak', 1))")
        assert.equal("script_error", ran "print = nil")
    end)

    it("are the script's own", function()
        local world = support.world("mine = 'a' require('stoa').on('run', function() return _G.theirs end)",
            "theirs = 'b'")
        assert.equal(testing.null, (world:connect():emit("run")))
        world:close()
    end)
end)

describe("a handler's coroutine", function()
    it("is not reused once a script knows it", function()
        local world = support.handler("local co = coroutine.running() local met = known[co] known[co] = true "
            .. "return type(co), met or false, (coroutine.resume(co))", "local known = {}")
        local client = world:connect()
        for _ = 1, 3 do assert.same({ "thread", false, false }, { client:emit "run" }) end
        world:close()
    end)

    it("leaves nothing of one call to the next", function()
        local world = support.handler("if select('#', ...) == 0 then error 'none' end return select('#', ...), (select('#', ...))")
        local client = world:connect()
        for given = 0, 3 do
            local answer = { client:emit("run", unpack({ 1, 2, 3 }, 1, given)) }
            if given > 0 then assert.same({ given, given }, answer) end
        end
        world:close()
    end)
end)

describe("errors inside the server's calls", function()
    it("stay inside", function()
        assert.equal("script_error", ran "return setmetatable({}, {__index = function() error('x') end}).a")
        assert.equal("script_error", ran "table.sort({3, 2, 1}, function() error('x') end)")
        assert.equal("script_error", ran "return (('a'):gsub('a', function() error('x') end))")
        assert.equal("script_error", ran "require('stoa').sleep({})")
        assert.equal("script_error", ran "local stoa = require 'stoa' table.sort({2, 1}, function() stoa.sleep(0) end)")
        assert.equal("script_error", ran "coroutine.yield()")
        assert.equal("script_error", ran "error(setmetatable({}, {__tostring = function() error('x') end}))")
    end)

    it("are logged with the line and a traceback", function()
        testing.logged()
        assert.equal("script_error", ran "\nlocal function deeper() error('too deep') end\ndeeper()")
        local line = testing.logged()
        assert.matches("script%.error kind=raised in=event which=run", line)
        assert.matches("script%.lua:2: too deep", line)
        assert.matches("script%.lua:3: in function", line)
        assert.equal("script_error", ran "while true do end")
        assert.matches("kind=budget.*script%.lua:1: ran over its budget", testing.logged())
    end)
end)

describe("calls from Lua to C and back", function()
    local ways = {
        gsub = "local function g() return (('x'):gsub('x', g)) end return g",
        gsub_table = "local t = {} setmetatable(t, {__index = function() return (('x'):gsub('x', t)) end}) "
            .. "return function() return ('x'):gsub('x', t) end",
        format = "local t = setmetatable({}, {__tostring = function(self) return ('%s'):format(self) end}) "
            .. "return function() return ('%s'):format(t) end",
        print = "local t = setmetatable({}, {__tostring = function(self) print(self) return 'x' end}) "
            .. "return function() print(t) end",
        sort = "local function g() table.sort({1, 2}, function(a, b) g() return a < b end) end return g",
        resume = "local function g() assert(coroutine.resume(coroutine.create(g))) end return g",
        wrap = "local function g() coroutine.wrap(g)() end return g",
        limit = "return function() stoa.take { nested = 'x' } end",
    }
    local large = { resume = true, wrap = true, sort = true }
    for name, way in pairs(ways) do
        it("end in an error before the stack ends: " .. name, function()
            local world = support.world("local stoa = require 'stoa' "
                .. "stoa.limit('nested', {count = function() stoa.take { nested = 'x' } return 1 end, seconds = 1}) "
                .. "local function make() " .. way .. " end local nest = make() "
                .. "stoa.on('run', function() local done, problem = pcall(nest) "
                .. "return done, tostring(problem):find('overflow') ~= nil end) "
                .. "stoa.on('lives', function() return true end)")
            local alice = world:connect()
            local done, overflowed = alice:emit "run"
            if large[name] then -- either the memory or the budget may be the first limit
                assert.is_true(done == false or done.ok == false)
            else
                assert.same({ false, true }, { done, overflowed })
            end
            assert.is_true((alice:emit "lives"))
            world:close()
        end)
    end

    it("are refused when each starts a task within another", function()
        local world = support.world [[
            local stoa = require "stoa"
            local word
            local function nest() local started, problem = stoa.spawn(nest) word = word or problem end
            stoa.on("run", function() nest() return word end)
        ]]
        assert.equal("overloaded", (world:connect():emit "run"))
        world:close()
    end)
end)
