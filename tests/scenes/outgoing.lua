-- SPDX-License-Identifier: Apache-2.0
-- Connects to what a request names, and reports the result.
local stoa = require "stoa"
local kept = {}

local function dial(request)
    return stoa.websocket.connect(request.query.url, {
        protocols = request.query.protocols and { "v2", "v1" } or nil,
        headers = { ["x-test"] = "yes" },
        ca = request.query.ca,
        timeout_ms = tonumber(request.query.timeout_ms),
        max_bytes = tonumber(request.query.max_bytes),
    })
end

-- A list without holes.
local function told(...)
    local list = {}
    for i = 1, select("#", ...) do
        local value = select(i, ...)
        if value == nil or value == stoa.null then
            list[i] = stoa.null
        else
            list[i] = type(value) == "userdata" and "<binary of " .. #value .. ">" or value
        end
    end
    return 200, stoa.array(list)
end

-- What comes back for "hello", a text of so many bytes, and as many bytes.
stoa.route("GET", "/echo", function(request)
    local upstream, word = dial(request)
    if not upstream then return told(nil, word) end
    local size = tonumber(request.query.size) or 5
    upstream:send(("x"):rep(size))
    upstream:send(stoa.binary(("\255"):rep(size)))
    local text, bytes = upstream:receive(), upstream:receive()
    local closed = upstream:close(4001, "done")
    return told(upstream.protocol, #text, bytes, closed, (select(2, upstream:send("late"))))
end)

stoa.route("GET", "/receive", function(request)
    local upstream, word = dial(request)
    if not upstream then return told(nil, word) end
    upstream:send(request.query.say or "hello")
    local results = {}
    repeat
        local message, why, code, reason = upstream:receive(tonumber(request.query.wait_ms))
        results[#results + 1] = message or stoa.null
        if not message then
            results[#results + 1] = why
            results[#results + 1] = code
            results[#results + 1] = reason
        end
    until not message
    return told(unpack(results))
end)

-- Sends until it must wait.
stoa.route("GET", "/flood", function(request)
    local upstream = assert(dial(request))
    local sent, word = 0, nil
    local big = ("x"):rep(100000)
    repeat
        local ok, why = upstream:send(big, 50)
        if ok then sent = sent + 1 else word = why end
    until word or sent == 1000
    kept[1] = upstream
    return told(sent, word)
end)

stoa.route("GET", "/keep", function(request)
    local upstream, word = dial(request)
    kept[#kept + 1] = upstream
    return told(upstream and true, word)
end)
