-- SPDX-License-Identifier: Apache-2.0
-- How the hooks of a point are called.
local find, spawn, decides, line_of = ...

-- One hook's answer: true, or a refusal. A deciding hook that returns nothing does not allow.
local function heard(point, hook, ...)
    local first, word = ...
    if first or word ~= nil then return ... end
    if first == false then return false, "forbidden" end
    if select("#", ...) == 0 and not decides(point) then return true end
    error(("%s: this hook '%s' returned nothing: return true to go on, or nil and a word to refuse"):format(
        line_of(hook), point), 0)
end

-- Calls hooks in the order of registration until one refuses. first, …: the answer of the previous hook.
local function go_on(point, hooks, index, args, len, first, ...)
    local hook = hooks[index]
    if not first or not hook then return first, ... end
    return go_on(point, hooks, index + 1, args, len, heard(point, hook, hook(unpack(args, 1, len))))
end

local function ask(point, hooks, ...)
    return go_on(point, hooks, 1, { ... }, select("#", ...), true)
end

-- The first hook that knows the client returns the user. A hook that returns nothing leaves the decision to the next one.
local function identity(hooks, index, handshake, user, message, ...)
    if user or message ~= nil then return user, message, ... end
    local hook = hooks[index]
    if not hook then return nil, "unauthorized" end
    return identity(hooks, index + 1, handshake, hook(handshake))
end

local function authenticate(_, hooks, handshake)
    return identity(hooks, 1, handshake)
end

-- Calls all hooks, whatever one returns: none can refuse. Returns the last answer; true if the hooks returned nothing.
local function tell(_, hooks, ...)
    local answer
    for _, hook in ipairs(hooks) do
        local said, word = hook(...)
        if said == nil and word == nil and answer == nil then said = true end
        if said ~= nil then answer = said end
    end
    return answer
end

local function ask_point(point, ...)
    local hooks = find(point)
    if not hooks then return true end
    return ask(point, hooks, ...)
end

-- Runs each hook in its own task: the caller does not wait.
local function tell_point(point, ...)
    local hooks = find(point)
    if not hooks then return end
    for _, hook in ipairs(hooks) do spawn(hook, ...) end
end

return { ask = ask, tell = tell, authenticate = authenticate, ask_point = ask_point, tell_point = tell_point }
