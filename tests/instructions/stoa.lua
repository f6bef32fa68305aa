-- SPDX-License-Identifier: Apache-2.0
-- What count.c asks: a handler that looks at its argument and answers.
return { scripts = { "ping.lua" }, store = { path = ":memory:" }, control = "", log_level = "error" }
