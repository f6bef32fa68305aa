-- SPDX-License-Identifier: Apache-2.0
local support = require "tests.lua.support"
local testing = require "stoa.testing"

setup(testing.capture_log)

describe("a log line", function()
    it("has its fields in the order of their names", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.on("run", function() stoa.log.error("seen", { zeta = 1, alpha = "x", mid = true, beta = 2.5 }) end)
        ]]
        world:connect():emit("run")
        assert.matches("seen alpha=x beta=2%.5 mid=true zeta=1", testing.logged())
        world:close()
    end)

    it("has numbers of any size unchanged", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.on("run", function()
                stoa.log.error("sized", { a = 2^53, b = -2^63, c = 2^63, d = 1e308, e = 1 / 0, f = -1 / 0, g = -0.5 })
            end)
        ]]
        world:connect():emit("run")
        assert.matches("sized a=9007199254740992 b=%-9223372036854775808 c=9.2233720368548e%+18 d=1e%+308 e=inf f=%-inf g=%-0.5",
            testing.logged())
        world:close()
    end)
end)
