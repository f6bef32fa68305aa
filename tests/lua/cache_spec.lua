-- SPDX-License-Identifier: Apache-2.0
-- Caches of scripts: who loads, who waits, and what remains when a load fails.
local testing = require "stoa.testing"
local support = require "tests.lua.support"
local handler = support.handler

setup(testing.capture_log)

describe("a cache", function()
    it("loads a key once for all who wait for it", function()
        local world = handler("return cache:get(...)", [[
            local loads = 0
            local cache = stoa.cache("slow", { ttl = 60, load = function(key)
                stoa.sleep(1)
                loads = loads + 1
                if key == "none" then return nil, "absent" end
                if key == "raise" then error("x") end
                return { key = key, loads = loads }
            end })
        ]])
        local alice, bob = world:connect(), world:connect()
        alice:send("run", "k")
        bob:send("run", "k")
        world:settle()
        world:advance(2)
        assert.same({ key = "k", loads = 1 }, (alice:emit("run", "k")))
        assert.same({ key = "k", loads = 1 }, (bob:emit("run", "k")))
        world:close()
    end)

    it("lets one reader reload a value before it expires", function()
        local world = handler([[
            mode = ... or mode
            local value, word = cache:get("hot")
            socket:emit("got", value or word)
            return value, loads
        ]], [[
            local loads, mode = 0, "quick"
            local cache = stoa.cache("hot", { ttl = 100, load = function()
                loads = loads + 1
                local number, mode = loads, mode
                if mode ~= "quick" then stoa.sleep(1) end
                if mode == "raise" then error("x") end
                if mode == "refuse" then return nil, "absent" end
                return number
            end })
            stoa.on("forget", function() mode = "quick" return cache:remove("hot") end)
        ]])
        local alice, bob = world:connect(), world:connect()
        local function near_the_end(mode)
            alice:emit("forget")
            local old, before = alice:emit("run")
            local value, loads
            world:advance(80)
            repeat
                world:advance(1)
                bob:send("run", mode)
                world:settle()
                value, loads = alice:emit("run")
                assert.equal(old, value)
            until loads > before
            assert.same({ old, before + 1 }, { alice:emit("run") })
            return old, before + 1
        end
        local function bob_hears(what)
            bob:events()
            world:advance(2)
            assert.same({ { "got", what } }, bob:events())
        end
        local old, new = near_the_end("slow")
        bob_hears(new)
        assert.same({ new, new }, { alice:emit("run") })
        for _, failure in ipairs { "refuse", "raise" } do
            old, new = near_the_end(failure)
            bob_hears(old)
            assert.same({ old, new }, { alice:emit("run") })
        end
        near_the_end("refuse")
        alice:emit("forget")
        bob_hears("absent")
        world:close()
    end)

    it("forgets, replaces, and keeps nothing that failed", function()
        local world = handler([[
            local what, key, value = ...
            if what == "put" then return cache:put(key, value) end
            if what == "remove" then return cache:remove(key) end
            return cache:get(key)
        ]], [[
            local loads = 0
            local cache = stoa.cache("plain", { ttl = 10, load = function(key)
                loads = loads + 1
                if key == "none" then return nil, "absent" end
                if key == "raise" then error("x") end
                return loads
            end })
        ]])
        local alice = world:connect()
        assert.equal(1, (alice:emit("run", "get", "a")))
        assert.equal(1, (alice:emit("run", "get", "a")))
        alice:emit("run", "remove", "a")
        assert.equal(2, (alice:emit("run", "get", "a")))
        alice:emit("run", "put", "a", "new")
        assert.equal("new", (alice:emit("run", "get", "a")))
        world:advance(12)
        assert.equal(3, (alice:emit("run", "get", "a")))
        assert.same({ testing.null, "absent" }, { alice:emit("run", "get", "none") })
        assert.same({ testing.null, "absent" }, { alice:emit("run", "get", "none") })
        assert.equal("script_error", alice:emit("run", "get", "raise").error.code)
        assert.equal("script_error", alice:emit("run", "get", "raise").error.code)
        world:close()
    end)
end)
