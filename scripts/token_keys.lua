-- SPDX-License-Identifier: Apache-2.0
-- The public keys of an identity provider, fetched from auth.jwks_url. Each worker has its own copy.
--
-- A worker fetches them every jwks_refresh_s. If a token names an unknown key, the worker fetches at once, but not
-- twice within jwks_pause_s: the client waits for the next fetch. Both times are lengthened at random by up to half, so
-- that the workers of a fleet do not ask together. If fetches fail, known keys serve until they are jwks_max_age_s old.
local stoa = require "stoa"

local settings = stoa.config.auth
local keys = {}

local LOOK_S, TIMEOUT_S, MAX_BYTES = 1, 5, 65536
local WAITING_MAX, WAIT_S = 100, 30 -- clients that may wait for a fetch; the longest wait until it begins
local KEPT = "auth.jwks" -- key in stoa.shared, which keeps the fetched text over a reload

local new_verifier
local verifier, fetched_at -- nil: no keys
local begun, ended, failure = 0, 0, nil -- number of the last fetch that began, that ended; why the last one failed
local refresh_at, pause_until = 0, 0
local waiting = 0
local told -- the state that was logged last: "works", "stale" or "missing"

local function spread(seconds)
    return seconds * (1 + math.random() / 2)
end

-- ---- health and log ----

local function tell()
    local state = not failure and "works" or verifier and "stale" or "missing"
    stoa.health("identity", failure and ("keys are " .. state .. ": " .. failure) or nil)
    if state == told then return end
    local fields = { url = settings.jwks_url, reason = failure }
    if verifier then fields.age_s = math.floor(stoa.now() - fetched_at) end
    if state == "works" then
        stoa.log.info("auth.keys_work", fields)
    elseif state == "stale" then
        stoa.log.warning("auth.keys_stale", fields)
    else
        stoa.log.error("auth.keys_missing", fields)
    end
    told = state
end

-- ---- a fetch ----

local function take(text, at)
    local made, fresh = pcall(new_verifier, { jwks = text })
    if not made then return nil, "no fitting key" end
    verifier, fetched_at = fresh, at
    return true
end

local function fetch()
    local answer, word = stoa.http.request {
        url = settings.jwks_url,
        headers = { accept = "application/json" },
        ca = settings.jwks_ca,
        timeout_s = TIMEOUT_S,
        max_bytes = MAX_BYTES,
    }
    if not answer then return word end
    if answer.status ~= 200 then return "status " .. answer.status end
    local at = stoa.now()
    local taken, problem = take(answer.body, at)
    if not taken then return problem end
    stoa.shared.set(KEPT, { url = settings.jwks_url, text = answer.body, at = at })
end

-- Runs one fetch at a time: all callers wait for the same one. The cache keeps no value.
local flights = stoa.cache("token_keys", {
    ttl = 1,
    load = function()
        begun = begun + 1
        local number = begun
        failure = fetch()
        ended = number
        refresh_at = stoa.now() + spread(failure and settings.jwks_pause_s or settings.jwks_refresh_s)
        if failure then pause_until = refresh_at end
        stoa.metrics.count(failure and "auth_keys_failed_total" or "auth_keys_fetched_total")
        tell()
        return nil, "done"
    end,
})

local function fly()
    flights:get(tostring(stoa.generation))
end

-- Fetches again, now or after the pause: true. If that is too long for a client to wait: false, seconds of the pause.
local function look_again()
    local pause = math.min(math.max(pause_until - stoa.now(), 0), 2 * settings.jwks_pause_s)
    if failure and pause > 0 or pause > WAIT_S or waiting >= WAITING_MAX then return false, pause end
    local before = begun
    waiting = waiting + 1
    if begun == ended and pause > 0 then stoa.sleep(pause) end
    local is_first = begun == ended and begun == before
    if is_first and verifier then pause_until = stoa.now() + spread(settings.jwks_pause_s) end
    if is_first or begun > ended then fly() end
    waiting = waiting - 1
    return true
end

-- ---- for tokens.lua ----

local function expire()
    if not verifier or stoa.now() < fetched_at + settings.jwks_max_age_s then return end
    verifier = nil
    tell()
end

-- The claims of a token, or nil, word, detail. "unknown_key" is returned only after a fetch that began after the call.
function keys.verify(token)
    local came = begun
    while true do
        expire()
        local claims, word = nil, "unavailable"
        if verifier then
            claims, word = verifier:verify(token)
            if claims or word ~= "unknown_key" then return claims, word end
        end
        if ended > came and not failure then return nil, word end
        local looked, pause = look_again()
        if not looked then return nil, "unavailable", { retryAfter = math.max(1, math.ceil(pause)) } end
    end
end

local function is_protected(url)
    local host = url:match("^http://([^/]+)")
    return url:find("^https://") or host and (host:find("^localhost:?%d*$") or host:find("^127%.[%d.]+:?%d*$") or host:find("^%[::1%]:?%d*$"))
end

-- make({ jwks = text }) returns a verifier.
function keys.begin(make)
    new_verifier = make
    if settings.jwks_max_age_s < 2 * settings.jwks_refresh_s then
        stoa.refuse_config("auth.jwks_max_age_s", "must be twice auth.jwks_refresh_s at least")
    end
    if not is_protected(settings.jwks_url) then
        stoa.refuse_config("auth.jwks_url", "must be an https URL: an attacker who changes the keys in transit can be anyone")
    end
    local kept = stoa.shared.get(KEPT)
    if kept and kept.url == settings.jwks_url then take(kept.text, kept.at) end
    stoa.every(LOOK_S, function()
        expire()
        local left = refresh_at - stoa.now()
        if left <= 0 or left > 2 * settings.jwks_refresh_s then fly() end -- the clock may have been set back
    end)
    return keys
end

return keys
