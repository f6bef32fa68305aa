-- SPDX-License-Identifier: Apache-2.0
-- A global that is never set is a typing error: it is found when the script is loaded, not when it runs.
local testing = require "stoa.testing"
local support = require "tests.lua.support"
local load_error = support.load_error

setup(testing.capture_log)

describe("loading", function()
    it("names a global that nobody sets, wherever it stands", function()
        assert.matches("script%.lua:2: there is no global 'mesage'", load_error("local message = 1\nreturn function() return mesage end"))
        assert.matches("script%.lua:3: there is no global 'b'", load_error("a = 1\nlocal function f() return a end\nif false then f(b) end"))
        assert.matches("script%.lua:1: there is no global 'io'", load_error("return function() return io.open end"))
        support.world("local function f() return later end\nlater = 1\nreturn f, _G.whatever"):close()
    end)
end)
