-- SPDX-License-Identifier: Apache-2.0
-- How loaded this worker is: 0 (calm), 1 (busy) or 2 (overloaded). Other scripts require this file.
--
-- The measure is work that waits for the server, not the number of connections: thousands of quiet clients are no load.
-- Data that waits for slow clients does not count, because limits.outbound_bytes bounds it. The level rises at once and
-- falls by one after CALM_S quiet seconds, so that limits do not flap.
local stoa = require "stoa"

local pressure = { level = 0 }

local CALM_S = 10
local BUSY = { appends_pending = 1000, tasks = 2000 }
local OVERLOADED = { appends_pending = 5000, tasks = 8000 }

local function exceeds(stats, bounds)
    for name, bound in pairs(bounds) do
        if stats[name] > bound then return true end
    end
    return false
end

local function measure(stats)
    return exceeds(stats, OVERLOADED) and 2 or exceeds(stats, BUSY) and 1 or 0
end

local quiet = 0 -- consecutive looks below the level; a count, so that setting the clock changes nothing

-- One look; called once a second, and by the self-test below.
local function step(level, stats)
    local measured = measure(stats)
    quiet = measured < level and quiet + 1 or 0
    if measured >= level then return measured end
    if quiet < CALM_S then return level end
    quiet = 0
    return level - 1
end

stoa.every(1, function()
    local level = step(pressure.level, stoa.stats())
    if level ~= pressure.level then stoa.log.warning("pressure.changed", { level = level, was = pressure.level }) end
    pressure.level = level
    stoa.metrics.gauge("pressure", level)
end)

stoa.selftest("pressure rises at once and falls slowly", function()
    local calm = { appends_pending = 0, tasks = 0 }
    local storm = { appends_pending = 6000, tasks = 0 }
    assert(step(0, storm) == 2)
    for _ = 1, CALM_S - 1 do assert(step(2, calm) == 2) end
    assert(step(2, calm) == 1)
    assert(step(1, calm) == 1)
    quiet = 0
end)

return pressure
