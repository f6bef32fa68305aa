-- SPDX-License-Identifier: Apache-2.0
-- pcall, xpcall, coroutine.resume that do not catch the error of a run over its budget.
local check, is_over, pcall, xpcall, resume = ...

local function passed(ok, ...)
    if not ok then check() end
    return ok, ...
end

return {
    pcall = function(fn, ...) return passed(pcall(fn, ...)) end,
    -- A handler runs where the error was raised: the budget error is raised within LuaJIT's hook, where no further hook
    -- could stop the handler.
    xpcall = function(fn, handler, ...)
        local function handle(message)
            if is_over() then return message end
            return handler(message)
        end
        return passed(xpcall(fn, handle, ...))
    end,
    resume = function(co, ...) return passed(resume(co, ...)) end,
}
