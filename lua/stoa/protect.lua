-- pcall and its like, but the error that ends a run over its budget passes: a script cannot swallow it.
local check, pcall, xpcall, resume = ...

local function passed(ok, ...)
    if not ok then check() end
    return ok, ...
end

return {
    pcall = function(fn, ...) return passed(pcall(fn, ...)) end,
    xpcall = function(fn, handler, ...) return passed(xpcall(fn, handler, ...)) end,
    resume = function(co, ...) return passed(resume(co, ...)) end,
}
