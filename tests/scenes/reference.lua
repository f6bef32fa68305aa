-- What the Node.js server of reference.test.mjs does: an echo that closes when it is asked to.
local stoa = require "stoa"

stoa.engine("/engine.io/", {
    message = function(connection, data)
        if data == "close" then
            connection:close()
        else
            connection:send(data)
        end
    end,
})
