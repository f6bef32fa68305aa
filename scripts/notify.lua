-- SPDX-License-Identifier: Apache-2.0
-- An example of reacting to messages: if a mentioned user (@alice) is not online, your webhook is called. It may send a
-- mail or a push notification. app = { notify_url = "https://…", notify_key = env "NOTIFY_KEY" }.
local stoa = require "stoa"

local MENTIONS_MAX = 20
local app = stoa.config.app or {}

local function mentions(content)
    local found, seen = {}, {}
    if type(content) ~= "string" then return found end
    -- Punctuation that ends a sentence is not part of a name. After the @, "alice@uni.example" and "auth0|5f7c" are
    -- names; names with a space are not found.
    for name in (" " .. content):gmatch("[^%w_@]@([%w_.:|+@%-]*[%w_%-])") do
        if stoa.is_user_id(name) and not seen[name] then
            seen[name] = true
            found[#found + 1] = name
        end
        if #found == MENTIONS_MAX then break end
    end
    return found
end

-- Runs after the commit, and the sender's acknowledgement does not wait for it: a slow webhook delays nobody.
local function notify(socket, arguments, receipt)
    local absent = stoa.array {}
    for _, user in ipairs(stoa.presence.get(mentions(arguments.content)) or {}) do
        local is_absent = user.status == "offline" or user.status == "unknown"
        if is_absent and user.userId ~= socket.user_id then absent[#absent + 1] = user.userId end
    end
    if #absent == 0 then return end
    local body = stoa.json.encode {
        channelId = arguments.channelId,
        messageId = receipt.id,
        from = socket.user_id,
        userIds = absent,
    }
    local reply, word = stoa.http.request {
        url = app.notify_url,
        method = "POST",
        headers = {
            ["content-type"] = "application/json",
            ["x-stoa-signature"] = stoa.crypto.hmac_sha256(app.notify_key or "", body),
        },
        body = body,
        timeout_s = 5,
    }
    if not reply or reply.status >= 300 then
        stoa.log.warning("notify.failed", { reason = word or reply.status, users = #absent })
    end
end

if app.notify_url then stoa.hook("deliver", notify) end

stoa.selftest("mentions are found, mail addresses are not", function()
    local function check(content, expected) assert(table.concat(mentions(content), " ") == expected, content) end
    check("@alice and @bob: hello, @alice.", "alice bob")
    check("mail me: alice@example.org", "")
    check("ask @alice@uni.example, or @auth0|5f7c.", "alice@uni.example auth0|5f7c")
    check("nobody", "")
end)
