-- SPDX-License-Identifier: Apache-2.0
-- What all events share: error answers with a code and a sentence, and the checks of what clients send.
local stoa = require "stoa"

local protocol = {}

local CONTENT_MAX_BYTES = 262144
local ATTACHMENTS_MAX, ATTACHMENTS_MAX_BYTES = 20, 16384
local EXACT_MAX = 2 ^ 53 -- above this, JavaScript and Lua cannot tell all integers apart

local sentences = {
    bad_request = "The arguments are not what this event expects.",
    bad_channel = "A channel id is 1 to 64 of A-Z a-z 0-9 _ . : -",
    bad_cursor = "A cursor is {seq, epoch} as the server gave them.",
    unauthorized = "A valid name or token is needed.",
    forbidden = "This does not exist, or is not for you.",
    not_joined = "Join the channel first.",
    id_conflict = "This clientId was used for something else.",
    rate_limited = "Too fast. Try again later.",
    too_many_connections = "This user has too many connections.",
    channel_full = "The channel is full.",
    too_large = "This is too large.",
    storage_full = "The server has no room left.",
    unavailable = "The server cannot do this now. Try again.",
    not_found = "This does not exist.",
}

-- Error words of the core that clients get as another code. "Does not exist" and "forbidden" give the same answer, so
-- that nobody can find out which ids exist.
local codes = { not_found = "forbidden", timeout = "unavailable", gone = "unavailable", too_many_rooms = "unavailable" }

-- The reasons for refusing a token that clients are told. With an expired token, a client fetches a new one.
local reasons = { expired = "expired", not_yet_valid = "not_yet" }

function protocol.reason(word)
    return { reason = reasons[word] or "invalid" }
end

-- The error answer. detail may have retryAfter (seconds) and, for "unauthorized", the reason. word may also be a
-- sentence from a hook ("no links, please"): it becomes the message, with the code "forbidden".
function protocol.refusal(word, detail)
    local code = codes[word] or word
    local message = sentences[code]
    if not message then code, message = "forbidden", tostring(word) end
    local retry_after = type(detail) == "table" and detail.retryAfter or nil
    if code == "unavailable" then retry_after = retry_after or 1 end
    local reason = code == "unauthorized" and (type(detail) == "table" and detail.reason or "invalid") or nil
    return { ok = false, error = { code = code, message = message, retryAfter = retry_after, reason = reason } }
end

-- The same for the hooks authenticate and connect: nil, message, data of a CONNECT_ERROR.
function protocol.refuse_connection(word, detail)
    local error = protocol.refusal(word, detail).error
    return nil, error.code, error
end

-- handler(socket, arguments) returns the answer (a table, or true for an empty one), or nil, word, detail.
function protocol.on(event, handler)
    stoa.on(event, function(socket, arguments)
        if arguments == nil or arguments == stoa.null then arguments = {} end
        if type(arguments) ~= "table" then return protocol.refusal("bad_request") end
        local answer, word, detail = handler(socket, arguments)
        if not answer then return protocol.refusal(word, detail) end
        if answer == true then return { ok = true } end
        answer.ok = true
        return answer
    end)
end

-- Takes from the limits {name = key}. A user who goes on after many refusals floods the server: the socket is closed,
-- and stock clients do not reconnect after that.
function protocol.take(socket, keys, subject)
    local passed, word, detail = stoa.take(keys, subject)
    if passed then return true end
    if socket and not stoa.take { abuse = socket.user_id } then socket:disconnect() end
    return nil, word, detail
end

-- An event that names many things is charged for each of them, whether it exists or not, before any look-up.
function protocol.take_look_ups(socket, named)
    return protocol.take(socket, { look_ups = socket.user_id }, named)
end

stoa.limit("guesses_told", { 1, 60, scope = "worker" })

-- Counts a wrong secret from the address. Call it after the check, so that the right secret always passes: many people
-- may share the address of somebody who guesses.
function protocol.count_guess(limit, address)
    local crowd = stoa.crowd(address)
    if not crowd then return true end
    local passed, word, detail = stoa.take { [limit] = crowd }
    if passed then return true end
    local told = { guesses_told = crowd }
    if stoa.peek(told) then
        stoa.take(told)
        stoa.log.warning("guesses.limited", { limit = limit, from = crowd })
    end
    return nil, word, detail
end

-- An optional argument: null and absent are the same.
function protocol.given(value)
    if value == stoa.null then return nil end
    return value
end

function protocol.is_id(value)
    return type(value) == "string" and #value >= 1 and #value <= 64 and not value:find("[^%w_.:%-]")
end

-- The channel's id among the arguments, or nil, word.
function protocol.channel_id(arguments)
    local id = arguments.channelId
    if protocol.is_id(id) then return id end
    return nil, type(id) == "string" and "bad_channel" or "bad_request"
end

-- User ids are those of the identity provider: "auth0|5f7c", "alice@uni.example".
protocol.is_user_id = stoa.is_user_id

-- Is it a list of at most max user ids?
function protocol.is_user_id_list(value, max)
    if not stoa.is_array(value) or #value > max then return false end
    for _, id in ipairs(value) do
        if not protocol.is_user_id(id) then return false end
    end
    return true
end

function protocol.is_seq(value)
    return type(value) == "number" and value >= 0 and value <= EXACT_MAX and value % 1 == 0
end

-- {seq, epoch} as the server gave it, or nil, "bad_cursor".
function protocol.cursor(value)
    if type(value) == "table" and protocol.is_seq(value.seq) and type(value.epoch) == "string" and #value.epoch < 32
        and value.epoch:find("^%d+%-%w+$") then
        return { seq = value.seq, epoch = value.epoch }
    end
    return nil, "bad_cursor"
end

-- "2026-01-31T12:00:00.000Z" → Unix seconds; nil: not a time. Years begin in March here, so that the leap day is the
-- last day of a year.
function protocol.seconds_of(iso)
    local year, month, day, hour, minute, second = iso:match("^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d%.?%d*)Z$")
    if not year or tonumber(month) < 1 or tonumber(month) > 12 or tonumber(hour) > 23 then return nil end
    local months = (month + 9) % 12
    if months >= 10 then year = year - 1 end
    local days = 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
        + math.floor((153 * months + 2) / 5) + day - 719469
    return days * 86400 + hour * 3600 + minute * 60 + second
end

-- Text without NUL, because databases end a text there.
function protocol.is_text(value, max_bytes)
    return type(value) == "string" and #value <= max_bytes and not value:find("\0", 1, true)
end

-- The content of a message is non-empty text, or any other JSON value except null.
function protocol.check_content(value)
    if value == nil or value == stoa.null or value == "" then return nil, "bad_request" end
    if type(value) ~= "string" then return stoa.json.check(value, CONTENT_MAX_BYTES) end
    if #value > CONTENT_MAX_BYTES then return nil, "too_large" end
    if value:find("\0", 1, true) then return nil, "bad_request" end
    return true
end

-- A list of objects that say where files are; Stoa does not store the files.
function protocol.check_attachments(value)
    if not stoa.is_array(value) or #value > ATTACHMENTS_MAX then return nil, "bad_request" end
    for _, attachment in ipairs(value) do
        if type(attachment) ~= "table" or stoa.is_array(attachment) then return nil, "bad_request" end
    end
    return stoa.json.check(value, ATTACHMENTS_MAX_BYTES)
end

-- Checks content, threadId and attachments of a message: true, or nil, word.
function protocol.check_message(arguments)
    local fits, word = protocol.check_content(arguments.content)
    if not fits then return nil, word end
    local thread_id, attachments = protocol.given(arguments.threadId), protocol.given(arguments.attachments)
    if thread_id and not protocol.is_id(thread_id) then return nil, "bad_request" end
    if not attachments then return true end
    return protocol.check_attachments(attachments)
end

-- {before | after, limit} of a page of messages, or nil, word. A limit out of range is set to the nearest bound.
function protocol.page(arguments)
    local before, after = protocol.given(arguments.before), protocol.given(arguments.after)
    local limit = protocol.given(arguments.limit) or 50
    if before and after or type(limit) ~= "number" then return nil, "bad_request" end
    if before and not protocol.is_seq(before) or after and not protocol.is_seq(after) then return nil, "bad_request" end
    return { before = before, after = after, limit = math.floor(math.max(1, math.min(limit, 100))) }
end

return protocol
