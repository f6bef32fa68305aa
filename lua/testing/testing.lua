-- SPDX-License-Identifier: Apache-2.0
-- stoa.testing: scripts on the real core, within the test's process. The clock moves only by world:advance.
--
-- Calls that wait for an answer (emit, connect, http) run the server until the answer comes, for at most two seconds of
-- real time: the store has its own thread.
local core = ...
local WAIT_S = 2

local World, Client, Socket = {}, {}, {}
World.__index, Client.__index, Socket.__index = World, Client, Socket

-- ---- clients: Socket.IO as a browser speaks it ----

local ARRIVALS = {}

local function prefix(client)
    return client.namespace == "/" and "" or client.namespace .. ","
end

-- The namespace, the id and the JSON behind a packet's type ("/chat,12[…]").
local function split(text)
    local namespace, rest = text:match("^(/[^,]*),?(.*)$")
    local id, json = (rest or text):match("^(%d*)(.*)$")
    return namespace or "/", tonumber(id), json
end

-- For recovery the server appends an offset to every event that asks for no acknowledgement; the offset is no argument.
local function drop_offset(client, args)
    if client.pid and type(args[#args]) == "string" then client.offset = table.remove(args) end
    return args
end

local function answer(client, id, ...)
    local json, attachments = client.world.core:encode(...)
    local kind = #attachments > 0 and "46" .. #attachments .. "-" or "43"
    client.wire:send(kind .. prefix(client) .. id .. json)
    for _, bytes in ipairs(attachments) do client.wire:send(bytes, true) end
end

local function event(client, id, args)
    if not id then drop_offset(client, args) end
    local handler = client.handlers[args[1]]
    if handler then
        local function reply(...)
            if id then answer(client, id, ...) end
        end
        reply(handler(unpack(args, 2)))
    end
    client.inbox[#client.inbox + 1] = args
end

ARRIVALS["0"] = function(client, id, json) -- CONNECT
    local data = client.world.core:decode(json)
    client.id, client.pid, client.connected = data.sid, data.pid, true
end
ARRIVALS["1"] = function(client) client.connected, client.parted = false, true end
ARRIVALS["2"] = function(client, id, json, attachments) event(client, id, client.world.core:decode(json, attachments)) end
ARRIVALS["3"] = function(client, id, json, attachments)
    client.acks[id] = client.world.core:decode(json, attachments)
end
ARRIVALS["4"] = function(client, _, json)
    local refusal = client.world.core:decode(json)
    refusal[1], refusal[2] = refusal.message, refusal.data
    client.refused = refusal
end

local function dispatch(client, packet)
    local _, id, json = split(packet.text)
    ARRIVALS[packet.kind](client, id, json, packet.attachments)
end

local BINARY = { ["5"] = "2", ["6"] = "3" }

local function read(client, message, binary)
    local waiting = client.packet
    if binary then
        waiting.attachments[#waiting.attachments + 1] = message
        if #waiting.attachments == waiting.announced then
            client.packet = nil
            dispatch(client, waiting)
        end
        return
    end
    local kind, text = message:match("^4(%d)(.*)$")
    if not kind then return end
    if BINARY[kind] then
        local announced, rest = text:match("^(%d+)-(.*)$")
        client.packet = { kind = BINARY[kind], text = rest, announced = tonumber(announced), attachments = {} }
        return
    end
    dispatch(client, { kind = kind, text = text, attachments = {} })
end

local function pump(client)
    while true do
        local message, binary = client.wire:take()
        if message == nil then break end
        read(client, message, binary)
    end
    if client.wire:closed() then client.connected, client.ended = false, true end
end

-- Runs the server until the condition holds; false: it did not hold in time.
local function wait(world, condition)
    local deadline = os.time() + WAIT_S + 1
    while os.time() < deadline do
        world.core:turn()
        for client in pairs(world.clients) do pump(client) end
        if condition() then return true end
    end
    return false
end

-- Asks for recovery, as the page and the SDK do.
local function open(client, data)
    client.options.query = client.options.query or {}
    client.options.query.recovery = client.options.query.recovery or "1"
    client.wire = client.world.core:client(client.options)
    client.connected, client.ended, client.parted, client.refused, client.id = false, false, false, nil, nil
    local auth = client.world.core:encode(data):sub(2, -2)
    client.wire:send("40" .. prefix(client) .. auth)
    wait(client.world, function() return client.id or client.refused or client.parted or client.ended end)
    if client.id then return client end
    return nil, client.refused or { "closed", message = "closed" }
end

-- Sends an event and waits for the acknowledgement; returns its values, or nil, "timeout".
function Client:emit(name, ...)
    self.next_id = self.next_id + 1
    local id = self.next_id
    local json, attachments = self.world.core:encode(name, ...)
    self:_send(json, attachments, id)
    wait(self.world, function() return self.acks[id] or not self.connected end)
    local ack = self.acks[id]
    self.acks[id] = nil
    if not ack then return nil, "timeout" end
    return unpack(ack)
end

function Client:_send(json, attachments, id)
    local kind = #attachments > 0 and "45" .. #attachments .. "-" or "42"
    self.wire:send(kind .. prefix(self) .. (id or "") .. json)
    for _, bytes in ipairs(attachments) do self.wire:send(bytes, true) end
end

-- Sends an event and asks for no acknowledgement.
function Client:send(name, ...)
    local json, attachments = self.world.core:encode(name, ...)
    self:_send(json, attachments)
end

-- Events since the last call, each {name, …}. With a name: only events of that name; the others are kept.
function Client:events(name)
    self.world:settle()
    local taken, kept = {}, {}
    for _, args in ipairs(self.inbox) do
        local list = (not name or args[1] == name) and taken or kept
        list[#list + 1] = args
    end
    self.inbox = kept
    return taken
end

-- Answers the server's questions (socket:call): what fn returns is the acknowledgement.
function Client:on(name, fn) self.handlers[name] = fn end

-- Breaks the connection without a Close frame: the server keeps the session for recovery.
function Client:drop()
    self.wire:leave()
    self.connected = false
    self.world:settle()
end

-- Leaves for good, as socket.disconnect() in a browser does.
function Client:disconnect()
    self.wire:send("41" .. prefix(self))
    self.world:settle()
    self:drop()
end

-- Reconnects as a browser does: sends the recovery data that the server gave it.
function Client:reconnect()
    local data = {}
    for key, value in pairs(self.auth) do data[key] = value end
    data.pid, data.offset = self.pid, self.offset
    return open(self, data)
end

-- The close code and reason, once the server has closed the connection.
function Client:closed()
    self.world:settle()
    return self.wire:closed()
end

-- ---- clients of endpoints: raw messages ----

-- A string is text; bytes are testing.binary.
function Socket:send(message)
    self.wire:send(tostring(message), type(message) ~= "string")
    self.world:settle()
end

-- The next message; nil if none has come.
function Socket:receive()
    self.world:settle()
    local message, binary = self.wire:take()
    return binary and core.binary(message) or message
end

function Socket:close(code, reason)
    self.wire:close(code or 1000, reason or "")
    self.world:settle()
end

-- Breaks the connection without a Close frame.
function Socket:drop()
    self.wire:leave()
    self.world:settle()
end

Socket.closed = Client.closed

-- ---- the world ----

local function settings(options, before)
    local config = { store = { path = ":memory:" }, control = "" }
    for key, value in pairs(before or {}) do config[key] = value end
    for key, value in pairs(options.config or {}) do config[key] = value end
    config.scripts = options.scripts or config.scripts
    return config
end

-- A client that has connected, or nil, {message, data} (also by these names). options: auth, namespace, query, headers, address.
function World:connect(options)
    options = options or {}
    local client = setmetatable({
        world = self, options = options, auth = options.auth or {}, namespace = options.namespace or "/",
        inbox = {}, acks = {}, handlers = {}, next_id = 0,
    }, Client)
    self.clients[client] = true
    return open(client, client.auth)
end

-- A client of a script's WebSocket or Engine.IO endpoint; nil if no script has that path. options: protocol, query,
-- headers, address.
function World:websocket(path, options)
    local asked = { endpoint = path }
    for key, value in pairs(options or {}) do asked[key] = value end
    local wire = self.core:client(asked)
    return wire and setmetatable({ world = self, wire = wire }, Socket)
end

-- Sends a request to a script's route; returns status, body (decoded unless it is text), headers.
function World:http(method, path, body, headers)
    local bare, query = path:match("^([^?]*)%??(.*)$")
    local parameters = {}
    for key, value in query:gmatch("([^&=]+)=([^&]*)") do parameters[key] = value end
    if type(body) == "table" then body = self.core:encode(body):sub(2, -2) end
    local reply, status = self.core:route(method .. " " .. bare, {
        method = method, path = bare, query = parameters, headers = headers or {}, address = "127.0.0.1",
    }, body or "")
    if reply then return reply.status, reply.body, reply.headers end
    return status == 2 and 404 or status == 4 and 503 or 500
end

-- Loads a new generation; options not given keep their values. On nil, error the old generation stays.
function World:reload(options)
    local config = settings(options or {}, self.config)
    local done, problem = self.core:reload(config)
    if done then self.config = config end
    return done, problem
end

function World:advance(seconds)
    self.core:advance(seconds)
    self:settle()
end

-- Runs the server until nothing is left to do.
function World:settle()
    self.core:settle()
    for client in pairs(self.clients) do pump(client) end
end

-- "at once": from now on the store refuses each request within the call; "together": it answers when none is under way; "late": none is answered before the end.
function World:odd_store(mode) self.core:odd_store(mode) end

function World:now() return self.core:now() end
function World:close() self.core:close() end

-- A server with these scripts; raises when they cannot be loaded. options: scripts, config.
function core.new(options)
    local config = settings(options)
    local inner, problem = core.world(config)
    if not inner then error(problem, 0) end
    return setmetatable({ core = inner, config = config, clients = setmetatable({}, { __mode = "k" }) }, World)
end

return core
