-- What scripts keep in memory: who loads it, who waits, and what is left when loading fails.
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
