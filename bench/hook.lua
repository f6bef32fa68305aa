-- SPDX-License-Identifier: Apache-2.0
-- The script that bench/hook.c calls: a handler that looks at its argument and answers.
local stoa = require "stoa"

stoa.on("ping", function(_, request)
    return { ok = true, n = request.n + 1 }
end)
