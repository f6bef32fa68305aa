-- SPDX-License-Identifier: Apache-2.0
-- stoa.shards with a function.
local testing = require "stoa.testing"
local support = require "tests.lua.support"

setup(testing.capture_log)

describe("where a channel lives", function()
    it("is decided by a function that may only compute", function()
        local acts = { "stoa.emit('x')", "stoa.to('room'):emit('x')", "stoa.socket('id')", "stoa.user('alice'):disconnect()",
            "stoa.broadcast('x')", "stoa.spawn(print)", "stoa.channel('c'):info()", "stoa.sleep(0)" }
        for _, act in ipairs(acts) do
            local world = support.world("local stoa = require 'stoa' "
                .. "local function act() " .. act .. " end "
                .. "stoa.shards{shards = 1, locate = function(id) if id == 'acts' then act() end return 0 end} "
                .. "stoa.on('where', function(socket, id) local _, shard = stoa.bucket(id) return shard end)")
            local alice = world:connect()
            testing.logged()
            assert.equal(0, (alice:emit("where", "computes")))
            assert.equal(-1, (alice:emit("where", "acts")), act)
            assert.matches("script%.error", testing.logged())
            assert.same({}, alice:events())
            world:close()
        end
    end)
end)
