-- SPDX-License-Identifier: Apache-2.0
-- Authenticates clients. auth.mode chooses how: "development" believes the user id that the client sends, "jwt" checks
-- a signed token, "session" looks up a token that POST /api/sessions created. A client sends {token} in its handshake's
-- auth. A token in the query works too, but proxies may log it. docs/configuration.md lists all keys of auth.
local stoa = require "stoa"
local cache = require "cache"
local protocol = require "protocol"
local tokens = require "tokens"

local settings, refuse = stoa.config.auth, protocol.refuse_connection
local NEWCOMERS_MAX, TOGETHER_S = 1000, 0.02

if not settings.mode then
    stoa.refuse_config("auth.mode", 'is missing: say "jwt" or "session", or "development", which believes everyone')
end

-- ---- one function for each mode: returns the user, or nil, word ----

local find = {}

function find.development(handshake)
    local id = handshake.auth.user
    if not protocol.is_user_id(id) then return nil, "no_user" end
    return { id = id, name = tokens.name_of(handshake.auth.name) }
end

function find.jwt(_, token)
    return tokens.user(token)
end

function find.session(_, token)
    local session, word = stoa.session.find(token)
    if not session then return nil, word end
    -- rest.lua finds the sockets of a deleted session by this hash.
    return { id = session.userId, expires = protocol.seconds_of(session.expiresAt), session = stoa.crypto.sha256(token) }
end

-- ---- wrong tokens are limited per address ----

stoa.limit("bad_tokens", { 100, 60 })

-- The failures that count as guesses. An expired token, or one for another audience, has a valid signature: no guess.
local guesses = { malformed = true, unknown_key = true, bad_signature = true, not_found = settings.mode == "session" }

stoa.hook("authenticate", function(handshake)
    if type(handshake.auth) ~= "table" then return refuse("unauthorized") end
    local admitted, word, detail = stoa.ask("admit", handshake)
    if not admitted then return refuse(word, detail) end
    local token = handshake.auth.token or handshake.query and handshake.query.token
    if settings.mode ~= "development" and (type(token) ~= "string" or token == "") then return refuse("unauthorized") end
    local user
    user, word, detail = find[settings.mode](handshake, token)
    if user then return user end
    if word == "unavailable" or word == "timeout" then return refuse(word, detail) end
    stoa.log.info("auth.refused", { address = handshake.address, reason = word })
    if guesses[word] then
        local passed, limit, wait = protocol.count_guess("bad_tokens", handshake.address or "")
        if not passed then return refuse(limit, wait) end
    end
    return refuse("unauthorized", protocol.reason(word))
end)

-- The first connection of a user creates their profile. A name in the token updates it; a token without a name changes
-- nothing. Users who connect within TOGETHER_S are looked up with one query, so that a mass reconnect stays cheap.
local newcomers -- the batch that is being filled: {names = {userId → name or false}, len}; nil: none

local function keep(user_id, name)
    stoa.user(user_id):put { name = name or nil }
    cache.profiles:remove(user_id)
end

local function remember(these)
    stoa.sleep(TOGETHER_S)
    if newcomers == these then newcomers = nil end
    local names, ids = these.names, stoa.array {}
    for user_id in pairs(names) do ids[#ids + 1] = user_id end
    local known = stoa.users(ids)
    if not known then return end
    for _, user in ipairs(known:decode()) do
        local name = names[user.userId]
        if not name or name == user.name then names[user.userId] = nil end
    end
    for user_id, name in pairs(names) do stoa.spawn(keep, user_id, name) end
end

stoa.hook("connect", function(socket)
    local user = socket.user
    if user.expires then socket:expires(user.expires) end
    if not newcomers or newcomers.len == NEWCOMERS_MAX then
        newcomers = { names = {}, len = 0 }
        stoa.spawn(remember, newcomers)
    end
    newcomers.names[user.id] = user.name or false
    newcomers.len = newcomers.len + 1
end)

-- ---- development mode believes everyone: warn if other machines can connect ----

-- A Unix socket does not count as loopback: its clients come through a proxy.
local function is_loopback(listen)
    return listen:find("^127%.") or listen:find("^%[::1%]") or listen:find("^localhost:")
end

-- The first setting that lets other machines connect; nil: none does.
local function opening()
    local listen, net = stoa.config.listen, stoa.config.net
    for _, address in ipairs(type(listen) == "table" and listen or { listen }) do
        if not is_loopback(address) then return "listen" end
    end
    return net.proxy_protocol and "net.proxy_protocol" or net.trusted_proxies[1] and "net.trusted_proxies" or nil
end

if settings.mode == "development" and opening() then
    stoa.log.warning("auth.development_mode_is_reachable", {
        reason = opening() .. " lets others in",
        remedy = 'auth.mode = "jwt" or "session"',
    })
end

stoa.selftest("seconds_of reads the times that stoa.iso writes", function()
    for _, seconds in ipairs { 0, 951782400, 951868800.5, 1735689599.999, 4102444800 } do
        assert(math.abs(protocol.seconds_of(stoa.iso(seconds)) - seconds) < 0.002, seconds)
    end
end)
