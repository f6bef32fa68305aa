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
end)
