# SPDX-License-Identifier: Apache-2.0
"""lua_api.py [--write]: docs/lua-api.md, made of the comments above the bindings' functions (lua/bind_*.c, lua/types.c)
and lua/api.md. Without --write: prints every function that has no comment, every comment that lacks a part, and
whether the page is stale; exit 1 if any."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE, FRAME = ROOT / "docs/lua-api.md", ROOT / "lua/api.md"
SECTIONS = [
    ("The server", ["bind_stoa", "bind_shards"]), ("Values", ["bind_values", "types"]), ("Sockets", ["bind_socket", "bind_claim"]), ("WebSockets", ["bind_connection", "bind_dial"]),
    ("Rooms", ["bind_room"]), ("Channels", ["bind_channel", "bind_append"]), ("Users", ["bind_user"]),
    ("Presence", ["bind_presence"]), ("Sessions", ["bind_session"]), ("Limits", ["bind_limit"]),
    ("Caches", ["bind_cache"]), ("Shared state", ["bind_shared"]), ("JSON Web Tokens", ["bind_jwt"]),
    ("HTTP", ["bind_http"]), ("Log", ["bind_log"]), ("Metrics", ["bind_metrics"]), ("Cryptography", ["bind_crypto"]),
    ("Audit", ["bind_audit"]),
]
# Tables of functions that are not part of the API (Lua's own string library, parts of a documented call).
OTHERS = {"bind_string", "bind_table"}
TAGS = ("function", "param", "return", "error", "example")


def entries(path):
    """(line, {tag: [text…]}) of each comment with @function; a comment may describe several, separated by blank lines."""
    text = path.read_text()
    for comment in re.finditer(r"/\*(.*?)\*/", text, re.S):
        first = text.count("\n", 0, comment.start()) + 1
        body = "\n".join(re.sub(r"^ \* ?", "", line) for line in comment[1].splitlines())
        for part in re.split(r"\n\s*\n", body):
            if "@function" not in part:
                continue
            entry, tag = {"text": [""]}, "text"
            for line in part.strip().splitlines():
                match = re.match(r"\s*@(\w+) ?(.*)$", line)
                if match:
                    tag = match[1]
                    entry.setdefault(tag, []).append(match[2].strip())
                else:
                    entry[tag][-1] = f"{entry[tag][-1]} {line.strip()}".strip()
            yield first, entry


def registered(path):
    """(line, name) of each row of a luaL_Reg table."""
    text = path.read_text()
    for table in re.finditer(r"luaL_Reg (\w+)\[\] = \{(.*?)\};", text, re.S):
        if table[1] in ("operators", "volatile_methods"):
            continue
        for row in re.finditer(r'\{"(\w+)",', table[2]):
            yield text.count("\n", 0, table.start(2) + row.start()) + 1, row[1]


def last_name(entry):
    return re.split(r"[.:]", entry["function"][0])[-1]


def documented_with(path):
    """The functions that the files of the same section document."""
    for _, files in SECTIONS:
        if path.stem in files:
            return {last_name(entry) for stem in files for _, entry in entries(ROOT / f"lua/{stem}.c")}
    return set()


def problems():
    for path in sorted([*ROOT.glob("lua/bind_*.c"), ROOT / "lua/types.c"]):
        if path.stem in OTHERS:
            continue
        if path.stem not in sum((files for _, files in SECTIONS), []):
            yield path, 1, "is in no section of the page"
        for line, entry in entries(path):
            name = entry["function"][0]
            if "example" not in entry:
                yield path, line, f"{name}: no @example"
            if not entry["text"][0].endswith((".", "?", ":")) and not entry["text"][0].endswith(")."):
                yield path, line, f"{name}: does not begin with a sentence"
            for tag in entry:
                if tag not in TAGS and tag != "text":
                    yield path, line, f"{name}: @{tag} is no tag"
        documented = documented_with(path)
        for line, name in registered(path):
            if name not in documented:
                yield path, line, f"{name}: no comment with @function"


def render():
    out = []
    for title, files in SECTIONS:
        out.append(f"## {title}\n")
        for stem in files:
            for _, entry in entries(ROOT / f"lua/{stem}.c"):
                names = [param.split(" ")[0] for param in entry.get("param", [])]
                name = entry["function"][0]
                out.append(f"### `{name}({', '.join(names)})`\n")
                out.append(entry["text"][0] + "\n")
                for param in entry.get("param", []):
                    word, _, rest = param.partition(" ")
                    out.append(f"- `{word}`: {rest}")
                for value in entry.get("return", []):
                    out.append(f"- returns {value}")
                for error in entry.get("error", []):
                    raises = error.startswith("raises")
                    out.append(f"- {error}" if raises else f"- or `nil`, and the word: {error}")
                out.append("\n```lua\n" + "\n".join(entry.get("example", [])) + "\n```\n")
    return FRAME.read_text().replace("<!-- functions -->\n", "\n".join(out))


def main():
    made = render()
    if "--write" in sys.argv:
        PAGE.write_text(made)
        return
    found = list(problems())
    if not PAGE.is_file() or PAGE.read_text() != made:
        found.append((PAGE, 1, "stale: python3 tests/lint/lua_api.py --write"))
    for path, line, what in found:
        print(f"{path.relative_to(ROOT)}:{line}: {what}")
    sys.exit(1 if found else 0)


main()
