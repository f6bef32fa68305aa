-- SPDX-License-Identifier: Apache-2.0
-- What scripts see of a user.
local stoa = require "stoa"

stoa.on("whoami", function(socket) return socket.user end)
