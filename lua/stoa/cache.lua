-- SPDX-License-Identifier: Apache-2.0
-- stoa.cache: the part that waits for a script's load function.
local define, begin, fetch, land = ...
local loaders = setmetatable({}, { __mode = "k" })

-- The flight ends whatever load does. If load failed, returns the value still in the cache, unless it was removed
-- meanwhile; if there is none and load raised, raises too.
local function finish(flight, there, loaded, value, word)
    if loaded and value ~= nil then
        land(flight, value)
        return value
    end
    if land(flight) and there ~= nil then return there end
    if not loaded then error(value, 0) end
    return nil, word or "not_found"
end

local function get(cache, key)
    local state, found, flight = begin(cache, key)
    if state == "hit" then return found end
    if not flight then return nil, found end
    local there = found
    if state == "ask" then state, found = fetch(cache, flight) end
    if state == "hit" then return found end
    local load = loaders[cache]
    if not load then
        land(flight)
        return there
    end
    return finish(flight, there, pcall(load, key))
end

local function new(name, rule)
    local cache = define(name, rule.ttl, rule.shared == true)
    loaders[cache] = rule.load
    return cache
end

return { get = get, new = new }
