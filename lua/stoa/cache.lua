-- stoa.cache: what waits for a script's load function.
local define, begin, land = ...
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
    local state, found = begin(cache, key)
    if state ~= "load" then
        if state == "hit" then return found end
        return nil, found
    end
    local load = loaders[cache]
    if not load then
        land(found)
        return nil
    end
    return finish(found, pcall(load, key))
end

local function new(name, rule)
    local cache = define(name, rule.ttl)
    loaders[cache] = rule.load
    return cache
end

return { get = get, new = new }
