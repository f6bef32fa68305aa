-- SPDX-License-Identifier: Apache-2.0
-- The user whom a signed token names (auth.mode = "jwt").
local stoa = require "stoa"
local protocol = require "protocol"
local token_keys = require "token_keys"

local settings = stoa.config.auth
local tokens = {}

local NAME_MAX_BYTES, CHANNELS_MAX = 100, 1000

function tokens.name_of(value)
    return protocol.is_text(value, NAME_MAX_BYTES) and value ~= "" and value or nil
end

-- ---- claims ----

-- A claim by its name, which may have dots ("https://chat.example/roles"); otherwise by a path into objects
-- ("realm_access.roles").
local function claim_of(claims, name)
    local value = claims[name]
    if value ~= nil then return value end
    for step in name:gmatch("[^.]+") do
        if value == nil then value = claims end
        if type(value) ~= "table" then return nil end
        value = value[step]
        if value == nil then return nil end
    end
    return value
end

-- Some providers send the user id as a number.
local function user_id_of(value)
    if type(value) == "number" and value % 1 == 0 then value = ("%.0f"):format(value) end
    return protocol.is_user_id(value) and value or nil
end

-- A claim `channels` is a list of ids and patterns ("course-*"); values of other types are skipped.
local function channels_of(claim)
    if type(claim) == "string" then claim = { claim } end
    if type(claim) ~= "table" then return nil end
    local channels = stoa.array {}
    for i, pattern in ipairs(claim) do
        if i > CHANNELS_MAX then break end
        if type(pattern) == "string" then channels[#channels + 1] = pattern end
    end
    return channels
end

-- The claims that auth.claims lists for your scripts: socket.user.claims[name].
local function asked_claims(claims)
    local asked
    for _, name in ipairs(settings.claims) do
        local value = claim_of(claims, name)
        if value ~= nil then
            asked = asked or {}
            asked[name] = value
        end
    end
    return asked
end

-- exp is required, because a token without it would be valid for ever.
local function user_of(claims)
    local id, expires = user_id_of(claim_of(claims, settings.user_claim)), claims.exp
    if not id or type(expires) ~= "number" or not protocol.is_seq(math.floor(expires)) then return nil, "no_user" end
    -- Anybody can register with the mail address of somebody else.
    if settings.user_claim == "email" and claims.email_verified == false then return nil, "email_not_verified" end
    return {
        id = id,
        name = tokens.name_of(claims.name),
        channels = channels_of(claims.channels),
        claims = asked_claims(claims),
        expires = expires,
    }
end

-- ---- keys ----

-- The name of the one setting that has the key. Refuses a configuration with none or with several.
local function key_source()
    local found
    for _, name in ipairs { "secret", "public_key", "public_key_file", "jwks_file", "jwks_url" } do
        if settings[name] and found then
            stoa.refuse_config("auth." .. name, "auth." .. found .. " is another key: one of them")
        end
        found = found or settings[name] and name
    end
    if found then return found end
    stoa.refuse_config("auth.mode", '"jwt" needs auth.secret, public_key, public_key_file, jwks_file or jwks_url')
end

-- A verifier of tokens by the key {secret = …}, {jwks = …}, …; raises if the key is unfit.
local function new_verifier(key)
    key.algorithm = settings.algorithm or key.secret and "HS256" or "RS256"
    key.issuer, key.audience, key.leeway_s, key.kid = settings.issuer, settings.audience, settings.leeway_s, settings.kid
    return stoa.jwt.verifier(key)
end

-- A provider also signs tokens for other applications, and it may serve users of several organisations.
local function warn_of_others()
    for _, name in ipairs { "issuer", "audience" } do
        if not settings[name] then
            stoa.log.warning("auth.lets_others_in", {
                reason = "tokens of any " .. name .. " are accepted",
                remedy = "auth." .. name,
            })
        end
    end
end

local function begin()
    local source = key_source()
    if settings.algorithm and (settings.algorithm == "HS256") ~= (source == "secret") then
        stoa.refuse_config("auth.algorithm", "HS256 is for auth.secret, and for that alone")
    end
    if source == "jwks_url" then
        warn_of_others()
        return token_keys.begin(new_verifier).verify
    end
    local made, verifier = pcall(new_verifier, { [source] = settings[source] })
    if not made then stoa.refuse_config("auth." .. source, verifier) end
    return function(token) return verifier:verify(token) end
end

local verify = settings.mode == "jwt" and begin()

-- The user of a token, or nil, word, detail.
function tokens.user(token)
    local claims, word, detail = verify(token)
    if not claims then return nil, word, detail end
    return user_of(claims)
end

if settings.mode == "jwt" then
    stoa.selftest("claims are found by name and by path", function()
        local claims = { a = { b = { "x" } }, ["https://c.example/roles"] = "y", n = 42, big = "9007199254740993" }
        assert(claim_of(claims, "a.b")[1] == "x" and claim_of(claims, "https://c.example/roles") == "y")
        assert(claim_of(claims, "a.c") == nil and claim_of(claims, "n.b") == nil and claim_of(claims, "") == nil)
        assert(user_id_of(claims.n) == "42" and user_id_of(claims.big) == "9007199254740993" and not user_id_of(1.5))
    end)
end

return tokens
