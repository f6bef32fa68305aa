-- SPDX-License-Identifier: Apache-2.0
-- The arguments that scripts pass to the server's functions.
local testing = require "stoa.testing"
local support = require "tests.lua.support"

setup(testing.capture_log)

describe("an argument of the server's functions", function()
    it("is read without running code of a script", function()
        local world = support.world [[
            local stoa = require "stoa"
            local ran = {}
            local at
            local function trap(fields)
                return setmetatable(fields or {}, { __index = function(_, name) ran[#ran + 1] = at .. ": " .. tostring(name) end })
            end
            local function try(name, fn, ...)
                at = name
                pcall(fn, ...)
            end
            for name, fn in pairs { limit = stoa.limit, websocket = stoa.websocket, engine = stoa.engine, shards = stoa.shards } do
                try(name, fn, "/name", trap())
                try(name, fn, trap())
            end
            try("on", stoa.on, "event", trap(), print)
            try("route", stoa.route, "GET", "/x", trap(), print)
            try("verifier", stoa.jwt.verifier, trap())
            stoa.on("run", function(socket)
                local channel, user = stoa.channel "lobby", stoa.user "alice"
                for _, name in ipairs { "append", "events", "messages", "put", "online" } do
                    try("channel:" .. name, channel[name], channel, trap())
                end
                try("follow", channel.follow, channel, socket, trap())
                for _, name in ipairs { "put", "disconnect" } do try("user:" .. name, user[name], user, trap()) end
                try("http", stoa.http.request, trap())
                try("audit.write", stoa.audit.write, "x", trap())
                try("audit.list", stoa.audit.list, trap())
                try("take", stoa.take, trap())
                try("presence", stoa.presence.get, trap())
                try("json", stoa.json.encode, trap())
                try("call", socket.call, socket, "x", trap { timeout = 1 })
                return ran
            end)
        ]]
        local alice = world:connect()
        alice:on("x", function() end)
        assert.same({}, (alice:emit "run"))
        world:close()
    end)

    it("lives until it is used, whatever a metamethod does", function()
        local world = support.world [[
            local stoa = require "stoa"
            stoa.on("run", function(socket)
                return pcall(function()
                    return stoa.channel("lobby"):append(setmetatable({ kind = "message", content = "hello" }, {
                        __index = function(_, name)
                            stoa.json.encode(("x"):rep(1000))
                            return name == "userId" and ("user"):rep(3) .. math.random() or nil
                        end,
                    }))
                end)
            end)
        ]]
        local done, problem = world:connect():emit "run"
        assert.is_false(done)
        assert.matches("userId is missing", problem)
        world:close()
    end)
end)
