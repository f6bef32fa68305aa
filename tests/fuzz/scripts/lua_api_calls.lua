-- SPDX-License-Identifier: Apache-2.0
-- Calls what the API has, with arguments that the input chooses: a program of bytes, read by whatever runs: while the
-- script is loaded, in handlers, hooks, routes, timers, in functions that the server calls, in metamethods.
local stoa = require "stoa"
local words = require "lua_api_words"

local KEPT_MAX, DEPTH_MAX, ARGUMENTS_MAX, ITEMS_MAX, STEPS_MAX, PATIENCE_MAX = 32, 3, 5, 3, 8, 8

local text = stoa.config.app.program:gsub("..", function(hex) return string.char(tonumber(hex, 16)) end)
local at, depth = 0, 0

local function over() return at >= #text end

local function byte()
    at = at + 1
    return text:byte(at) or 0
end

-- Never the beginning of an address: nothing here may reach another machine.
local function bytes()
    local len = byte() % 32
    at = at + len
    return (text:sub(at - len + 1, at):gsub("^[hHwW]", "x"))
end

local function one_of(list) return list[byte() % #list + 1] end

local names = {}
for name in stoa.config.app.names:gmatch "[^,]+" do names[#names + 1] = name end

-- ---- what was returned or given, to be an argument later ----

local kept, kept_at = {}, 0

local function keep(...)
    for i = 1, select("#", ...) do
        local value = select(i, ...)
        if value ~= nil then
            kept_at = kept_at % KEPT_MAX + 1
            kept[kept_at] = value
        end
    end
    return ...
end

-- Sockets and connections, of those who have gone, too.
local clients = {}

local function keep_client(client)
    if type(client) == "userdata" then clients[#clients % KEPT_MAX + 1] = client end
end

-- ---- arguments ----

local value, call

-- What the server, or a metamethod, calls.
local function callback()
    local how = byte() % 5
    local given = { value(), value() }
    return function(...)
        keep(...)
        if how == 1 then error("on purpose") end
        if how == 2 and depth < DEPTH_MAX then return call() end
        if how == 3 then return stoa.sleep(0.01) end
        if how == 4 then return coroutine.yield(...) end
        return unpack(given, 1, 2)
    end
end

local function list()
    local made = {}
    for i = 1, byte() % ITEMS_MAX do made[i] = value() end
    return made
end

local function object()
    local made = list()
    for _ = 1, byte() % ARGUMENTS_MAX do made[one_of(words.fields)] = value() end
    return made
end

local function trap()
    local meta = {}
    for _ = 0, byte() % 3 do meta[one_of(words.metamethods)] = callback() end
    return setmetatable(object(), meta)
end

local function cyclic()
    local made = object()
    made[1], made.self = made, { made }
    return made
end

local function deep()
    local made = {}
    for i = 1, 300 do made = { i % 2 == 0 and made or { a = made } } end
    return made
end

local function sparse() return { [1] = 1, [byte()] = 2, [1e6] = 3, [0.5] = 4, [true] = 5 } end

local OBJECTS = {
    function() return stoa.channel "lobby" end,
    function() return stoa.user "alice" end,
    function() return stoa.to "lobby" end,
    function() return kept[byte() % KEPT_MAX + 1] end,
    function() return clients[byte() % KEPT_MAX + 1] or clients[1] end,
    function() return clients[#clients] end,
}
local PLAUSIBLE = {
    string = function() return byte() % 4 > 0 and one_of(words.words) or bytes() end,
    number = function() return byte() % 4 > 0 and one_of(words.numbers) or byte() end,
    table = object,
    ["function"] = callback,
    boolean = function() return byte() % 2 == 0 end,
    value = function() return value() or 0 end,
    ["stoa.channel"] = OBJECTS[1],
    ["stoa.user"] = OBJECTS[2],
    ["stoa.volatile_socket"] = OBJECTS[6],
}
local KINDS = {
    function() return nil end,
    function() return byte() % 2 == 0 end,
    function() return one_of(words.numbers) end,
    function() return byte() end,
    function() return one_of(words.words) end,
    function() return one_of(words.fields) end,
    bytes,
    list, object, object, trap, cyclic, deep, sparse, callback, callback,
    function() return coroutine.create(callback()) end,
    function() return stoa.null end,
    function() return stoa.binary(bytes()) end,
    function() return stoa.array(list()) end,
    function() return one_of(OBJECTS)() end,
    function() return one_of(OBJECTS)() end,
    function() return kept[byte() % KEPT_MAX + 1] end,
    function() return kept[kept_at] end,
}

function value()
    if depth >= DEPTH_MAX or over() then return byte() end
    depth = depth + 1
    local made = KINDS[byte() % #KINDS + 1]()
    depth = depth - 1
    return made
end

-- ---- calls ----

-- Whatever goes wrong is a message.
local function judge(done, problem, ...)
    if not done and type(problem) ~= "string" then stoa.log.error("fuzz.broken", { what = type(problem) }) end
    return keep(problem, ...)
end

local function find(name)
    local found = stoa
    for part in name:gmatch "[^.]+" do found = found[part] end
    return found
end

local function index(object, name) return object[name] end

-- An object that has the method, and the method; what was kept last is looked at first.
local function owner(name)
    for i = 0, KEPT_MAX + #OBJECTS - 1 do
        local object = i >= KEPT_MAX and OBJECTS[i - KEPT_MAX + 1]() or kept[(kept_at - i - 1) % KEPT_MAX + 1]
        local indexed, method = pcall(index, object, name)
        if indexed and type(method) == "function" and type(object) ~= "table" then return object, method end
    end
end

local learn = require "lua_api_lessons" (byte, value, PLAUSIBLE)

-- Most calls are made again with what the error asked for, so that they come further than to the first check.
local function attempt(fn, given, len)
    local patience = byte() % PATIENCE_MAX
    while true do
        local results = { pcall(fn, unpack(given, 1, len)) }
        if results[1] or patience == 0 or not learn(given, results[2]) then return judge(unpack(results)) end
        patience = patience - 1
        for i = len + 1, ARGUMENTS_MAX do
            if given[i] ~= nil then len = i end
        end
    end
end

-- Arguments may be made in a callback that a wait leaves: depth must come back.
function call()
    local name = names[(byte() + (#names > 256 and byte() * 256 or 0)) % #names + 1]
    local before = depth
    local given, len = {}, byte() % ARGUMENTS_MAX
    local object, fn
    if name:sub(1, 1) == ":" then
        object, fn = owner(name:sub(2))
        len = len + 1
    else
        fn = find(name)
    end
    for i = 1, len do given[i] = value() end
    if object and byte() % 8 > 0 then given[1] = object end -- else it is called on something else
    depth = depth + 1
    local results = { attempt(fn, given, len) }
    depth = before
    return unpack(results)
end

local OPERATORS = {
    function(a, b) return a == b end,
    function(a, b) return a < b end,
    function(a, b) return a .. b end,
    function(a, b) return a[b] end,
    function(a, b) a[b] = b end,
    function(a, b) return a(b) end,
    function(a) return #a end,
    function(a) return tostring(a) end,
    function(a) return -a end,
    function(a) for k, v in pairs(a) do keep(k, v) end end,
    function(a, b) return setmetatable(a, b) end,
    function(a, b) rawset(a, b, b) end,
}

local function step()
    if byte() % 8 > 0 then return call() end
    judge(pcall(one_of(OPERATORS), value(), value()))
end

local function run(first, ...)
    keep(first, ...)
    keep_client(first)
    for _ = 0, byte() % STEPS_MAX do
        if over() then break end
        depth = 0
        step()
    end
    return value(), value()
end

local function welcome(client)
    keep_client(client)
    return true
end

keep(stoa.binary "bytes", stoa.raw "[1]", stoa.of "/admin")
keep(stoa.jwt.verifier { algorithm = "HS256", secret = ("s"):rep(32) })
keep(stoa.cache("things", { ttl = 1, load = run }))
stoa.limit("few", { 2, 1 })
stoa.on("run", run)
stoa.on("raw", { raw = true }, run)
stoa.hook("connect", welcome)
stoa.hook("disconnect", run)
for _, point in ipairs { "join", "send", "deliver", "alert", "server_event" } do stoa.hook(point, run) end
stoa.websocket("/raw", { open = welcome, message = run, close = run })
stoa.engine("/engine/", { open = welcome, message = run, close = run })
stoa.route("POST", "/run", run)
stoa.every(1, run)

local early = byte() % 4 -- most of the program is for those who come
if early == 1 then
    for _ = 1, 2 * STEPS_MAX do pcall(run) end
end
if early == 2 then stoa.selftest("nothing that is called here ends the server", function() pcall(run) end) end
