# SPDX-License-Identifier: Apache-2.0
# awk -v version=VERSION -v now=SECONDS -f changelog.awk form=deb|rpm CHANGELOG.md: the changelog of a package. Unreleased
# changes are listed as those of VERSION, dated now.
BEGIN { maintainer = "The Stoa developers <stoa@example.org>" }

function seconds(date) {
    gsub(/-/, " ", date)
    return mktime(date " 12 00 00")
}

# Prints the text of an entry, folded. `first` and `others` go before its first and its other lines.
function print_entry(text, first, others,    words, count, i, line) {
    count = split(text, words, " ")
    line = first words[1]
    for (i = 2; i <= count; i++) {
        if (length(line " " words[i]) > 78) {
            print line
            line = others words[i]
        } else line = line " " words[i]
    }
    print line
}

function end_entry() {
    if (entry == "") return
    if (entries++ == 0) {
        if (form == "deb") print "stoa (" number ") " suite "; urgency=medium\n"
        else print "* " strftime("%a %b %d %Y", when) " " maintainer " - " number "-1"
    }
    print_entry(kind ": " entry, form == "deb" ? "  * " : "- ", form == "deb" ? "    " : "  ")
    entry = ""
}

function end_version() {
    end_entry()
    if (entries == 0) return
    if (form == "deb") print "\n -- " maintainer "  " strftime("%a, %d %b %Y %H:%M:%S +0000", when)
    print ""
    entries = 0
}

/^## Unreleased$/ { end_version(); number = version; suite = "UNRELEASED"; when = now; next }
/^## \[/ { end_version(); number = substr($2, 2, length($2) - 2); suite = "unstable"; when = seconds($4); next }
/^### / { end_entry(); kind = $2; next }
/^- / { end_entry(); entry = substr($0, 3); next }
/^  / { entry = entry " " substr($0, 3); next }
/^$/ { end_entry(); next }
END { end_version() }
