-- SPDX-License-Identifier: Apache-2.0
-- What bench/hook.c asks: a handler that looks at its argument and answers.
local stoa = require "stoa"

stoa.on("ping", function(_, request)
    return { ok = true, n = request.n + 1 }
end)
