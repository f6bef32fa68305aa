-- SPDX-License-Identifier: Apache-2.0
-- pcall and its like, but the error that ends a run over its budget passes: a script cannot swallow it.
local check, is_over, pcall, xpcall, resume = ...

local function passed(ok, ...)
    if not ok then check() end
    return ok, ...
end

return {
    pcall = function(fn, ...) return passed(pcall(fn, ...)) end,
    -- A handler runs where the error was raised: for the budget error that is within LuaJIT's hook, where no hook would
    -- stop it.
    xpcall = function(fn, handler, ...)
        local function handle(message)
            if is_over() then return message end
            return handler(message)
        end
        return passed(xpcall(fn, handle, ...))
    end,
    resume = function(co, ...) return passed(resume(co, ...)) end,
}
