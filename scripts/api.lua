-- SPDX-License-Identifier: Apache-2.0
-- What all REST routes share: the check of the API key, the decoded body, and the HTTP status of each error.
local stoa = require "stoa"
local protocol = require "protocol"

local api = {}

local statuses = {
    bad_request = 400,
    bad_channel = 400,
    unauthorized = 401,
    forbidden = 403,
    not_found = 404,
    id_conflict = 409,
    channel_full = 409,
    too_large = 413,
    rate_limited = 429,
    storage_full = 507,
    unavailable = 503,
    timeout = 503,
}

-- Wrong keys are limited per address. A correct key is never limited.
stoa.limit("bad_keys", { 20, 60 })

-- Each request is compared with the hashes of all keys, so that its timing does not show how close a guess was.
local keys = {}
for i, key in ipairs(stoa.config.api_keys or {}) do keys[i] = stoa.crypto.sha256(key) end

-- The caller's name in the audit trail, which does not reveal the key; or nil, word, detail.
local function caller(request)
    local given = request.headers.authorization
    local key = type(given) == "string" and given:match("^[Bb]earer +(%S+)$")
    local hash, found = key and stoa.crypto.sha256(key), nil
    for _, known in ipairs(hash and keys or {}) do
        if stoa.crypto.equal(hash, known) then found = "api:" .. known:sub(1, 12) end
    end
    if found then return found end
    local passed, word, detail = protocol.count_guess("bad_keys", request.address)
    if not passed then return nil, word, detail end
    return nil, "unauthorized"
end

local function respond_error(word, detail)
    local status = statuses[word] or 403
    local refusal = protocol.refusal(word, detail)
    if word == "not_found" then refusal.error.code, refusal.error.message = word, "This does not exist." end
    local headers = { ["content-type"] = "application/json" }
    if status == 401 then headers["www-authenticate"] = "Bearer" end
    if refusal.error.retryAfter then headers["retry-after"] = tostring(math.ceil(refusal.error.retryAfter)) end
    return status, refusal, headers
end

-- The decoded body, which must be an object; {} if there is no body.
local function body_of(request)
    if request.body == nil or request.body == "" then return {} end
    local body = stoa.json.decode(request.body)
    if type(body) == "table" and not stoa.is_array(body) then return body end
    return nil, "bad_request"
end

-- Runs before the body is read, so that a request without a valid key is refused at once.
local function admit(request)
    local actor, word, detail = caller(request)
    if actor then return actor end
    return nil, respond_error(word, detail)
end

-- handler(request, body, actor) returns the answer (a table, or true for an empty one), or nil, word, detail.
function api.route(method, path, handler)
    stoa.route(method, path, { head = admit }, function(request, actor)
        local body, word = body_of(request)
        if not body then return respond_error(word) end
        local answer, detail
        answer, word, detail = handler(request, body, actor)
        if not answer then return respond_error(word, detail) end
        if answer == true then answer = {} end
        answer.ok = true
        return 200, answer
    end)
end

return api
