-- SPDX-License-Identifier: Apache-2.0
-- The globals that a function or its inner functions read and do not set: { name, line, name, line, … }, sorted by line.
local main = ...
local util, band, rshift = require "jit.util", bit.band, bit.rshift

local function opcode(text, pc) return band(util.funcbc(loadstring(text), pc), 0xff) end
local GET, SET = opcode("return x", 1), opcode("x = y", 2)

local reads, set = {}, {}

local function walk(proto)
    local info = util.funcinfo(proto)
    for pc = 1, info.bytecodes - 1 do
        local instruction = util.funcbc(proto, pc)
        local op = band(instruction, 0xff)
        if op == GET or op == SET then
            local name = util.funck(proto, -1 - rshift(instruction, 16))
            if op == SET then
                set[name] = true
            else
                reads[#reads + 1] = { name = name, line = util.funcinfo(proto, pc).currentline, at = #reads }
            end
        end
    end
    for i = -1, -info.gcconsts, -1 do
        local constant = util.funck(proto, i)
        if type(constant) == "proto" then walk(constant) end
    end
end

walk(main)
table.sort(reads, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    return a.at < b.at
end)
local found = {}
for _, read in ipairs(reads) do
    if not set[read.name] then
        found[#found + 1] = read.name
        found[#found + 1] = read.line
    end
end
return found
