# SPDX-License-Identifier: Apache-2.0
# stoa keys | awk -v version=VERSION -f stoa.lua.5.awk: makes stoa.lua(5) from the table of keys.
BEGIN {
    print ".TH STOA.LUA 5 \"\" \"stoa " version "\" \"Stoa\""
    print ".SH NAME\nstoa.lua \\- configuration of the chat server Stoa\n.SH SYNOPSIS\n.I /etc/stoa/stoa.lua\n.SH DESCRIPTION"
}

# A cell as roff: without Markdown, with escapes, and without a control character at the start of a line.
function roff(text) {
    gsub(/^ +| +$/, "", text)
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/[`*]/, "", text)
    sub(/^[.']/, "\\\\\\&&", text)
    return text
}

/^#/ || /^This page is made/ { next }
/^\| key / { print ".SH SETTINGS"; next }
/^\|---/ { next }
/^\|/ {
    split($0, cell, / \| /)
    sub(/^\| /, "", cell[1])
    sub(/ \|$/, "", cell[5])
    print ".TP\n.B " roff(cell[1]) "\n" roff(cell[5]) "\n.br"
    print roff(cell[2]) (cell[3] ~ /–/ ? "" : "; by default " roff(cell[3])) "; a change holds: " roff(cell[4]) "."
    next
}
/^$/ { print ".PP"; next }
{ print roff($0) }

END { print ".SH SEE ALSO\n.BR stoa (1)" }
