-- stoa.cache: what waits for a script's load function.
local define, begin, fetch, land = ...
local loaders = setmetatable({}, { __mode = "k" })

-- The flight ends whatever load does; a load that raised raises here too.
local function finish(flight, loaded, value, word)
    if not loaded then
        land(flight)
        error(value, 0)
    end
    land(flight, value)
    if value == nil then return nil, word or "not_found" end
    return value
end

local function get(cache, key)
    local state, found, flight = begin(cache, key)
    if state == "ask" then state, found = fetch(cache, flight) end
    if state == "hit" then return found end
    if not flight then return nil, found end
    local load = loaders[cache]
    if not load then
        land(flight)
        return nil
    end
    return finish(flight, pcall(load, key))
end

local function new(name, rule)
    local cache = define(name, rule.ttl, rule.shared == true)
    loaders[cache] = rule.load
    return cache
end

return { get = get, new = new }
