-- How the hooks of a point are asked: in the order of registration, until one refuses.
local find, spawn = ...

-- A refusal is nil or false with a word or message behind it.
local function verdict(hooks, index, args, len, first, second, ...)
    if not first and second ~= nil then return first, second, ... end
    local hook = hooks[index]
    if not hook then
        if first == nil then return true end
        return first, second, ...
    end
    return verdict(hooks, index + 1, args, len, hook(unpack(args, 1, len)))
end

local function ask(hooks, ...)
    return verdict(hooks, 1, { ... }, select("#", ...))
end

-- The first that knows the client says who he is; one that returns nothing leaves it to the next.
local function identity(hooks, index, handshake, user, message, ...)
    if user or message ~= nil then return user, message, ... end
    local hook = hooks[index]
    if not hook then return nil, "unauthorized" end
    return identity(hooks, index + 1, handshake, hook(handshake))
end

local function authenticate(hooks, handshake)
    return identity(hooks, 1, handshake)
end

local function ask_point(point, ...)
    local hooks = find(point)
    if not hooks then return true end
    return ask(hooks, ...)
end

-- Each in a task of its own: whoever tells does not wait, and nobody can refuse.
local function tell_point(point, ...)
    local hooks = find(point)
    if not hooks then return end
    for _, hook in ipairs(hooks) do spawn(hook, ...) end
end

return { ask = ask, tell_point = tell_point, ask_point = ask_point, authenticate = authenticate }
