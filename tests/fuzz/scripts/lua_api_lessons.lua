-- SPDX-License-Identifier: Apache-2.0
-- How lua_api_calls.lua comes further than to the first check: what an error asks for is in the next attempt.
local words = require "lua_api_words"

local function in_each_table(given, change)
    for _, argument in pairs(given) do
        if type(argument) == "table" then change(argument) end
    end
end

-- byte: the program's next; value: makes any; plausible: make one of a type. Returns function(given, problem): whether the
-- arguments were changed.
return function(byte, value, plausible)
    -- What an error says, and what is then changed in the arguments; the first that fits.
    local lessons = {
        { "bad argument #(%d+) .*%((%S+) expected, got", function(given, number, wanted)
            given[tonumber(number)] = (plausible[wanted] or value)()
        end },
        { "bad argument #(%d+) ", function(given, number) given[tonumber(number)] = words.words[byte() % #words.words + 1] end },
        { "^no option '(.-)'", function(given, option)
            in_each_table(given, function(argument)
                for key in next, argument do
                    if key == option or type(key) ~= "string" then rawset(argument, key, nil) end
                end
            end)
        end },
        { "(%w+) is missing", function(given, field)
            in_each_table(given, function(argument) rawset(argument, field, value()) end)
        end },
        { "(%w+) is an? %w+, not an? (%w+)", function(given, field, wanted)
            in_each_table(given, function(argument) rawset(argument, field, (plausible[wanted] or value)()) end)
        end },
        { "(%w+) must be (.+)", function(given, field, choices)
            local choice = choices:gmatch "%w+"
            for _ = 1, byte() % 5 do choice() end
            local chosen = choice()
            in_each_table(given, function(argument) rawset(argument, field, tonumber(chosen) or chosen) end)
        end },
        { "no hook '.*': (.+)", function(given, choices)
            local choice = choices:gmatch "[%w_]+"
            for _ = 1, byte() % 11 do choice() end
            given[1] = choice()
        end },
        { "index local", function(given) given[2] = plausible.table() end },
    }

    return function(given, problem)
        for _, lesson in ipairs(lessons) do
            local first, second = tostring(problem):match(lesson[1])
            if first then
                lesson[2](given, first, second)
                return true
            end
        end
    end
end
