-- SPDX-License-Identifier: Apache-2.0
-- Handles the alerts of the core: writes a line to the log and, if app = { alert_url = "https://…" } is set, posts to
-- that webhook. The same alert is reported at most once a minute.
local stoa = require "stoa"

local url = stoa.config.app and stoa.config.app.alert_url

stoa.limit("alerts", { 1, 60 })

stoa.hook("alert", function(what, details)
    local text = stoa.json.encode(details) or "null"
    if not stoa.take { alerts = what .. text } then return end
    local write = what:find("%.works$") and stoa.log.info or stoa.log.error -- nobody must act on a recovery
    write("alert", { what = what, details = text })
    if not url then return end
    local reply, word = stoa.http.request {
        url = url,
        method = "POST",
        headers = { ["content-type"] = "application/json" },
        body = stoa.json.encode { what = what, details = details, time = stoa.iso(), version = stoa.version },
        timeout_s = 5,
    }
    if not reply or reply.status >= 300 then stoa.log.warning("alert.untold", { reason = word or reply.status }) end
end)
