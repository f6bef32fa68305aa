# SPDX-License-Identifier: Apache-2.0
"""lint.py RULE BUILD: checks one house rule over the tree. Prints "FILE:LINE: what" for each breach; exit 1 if any."""

import collections
import pathlib
import platform
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Who may include whom: a folder's files include only folders of a lower rank, or their own.
RANKS = [
    {"master", "command"},
    {"worker"},
    {"process"},
    {"session"},
    {"presence", "policy", "net"},
    {"channel"},
    {"store", "bus", "state", "cache", "limit"},
    {"redis", "postgres"},
    {"wire", "loop", "config"},
    {"base"},
]
# What a header embeds by value or by enum beyond base/.
HEADER_EXCEPTIONS = {
    "bus/adapter.h": {"bus/adapter_message.h"},
    "channel/room.h": {"wire/packet.h"},
    "channel/log.h": {"store/store.h"},
    "presence/presence_internal.h": {"loop/loop.h"},
    "config/keys.h": {"config/config.h"},
    "config/check.h": {"config/keys.h"},
    "config/sources.h": {"config/config.h"},
    "net/server.h": {"net/http.h"},
    "redis/redis_link.h": {"loop/loop.h", "loop/resolver.h"},
    "redis/redis_internal.h": {"loop/loop.h"},
    "state/state_scripts.h": {"redis/redis.h"},
    "store/postgres/primary.h": {"loop/loop.h"},
    "store/postgres/postgres_internal.h": {"loop/loop.h", "postgres/pool.h", "postgres/query.h"},
    "session/channel_follow.h": {"store/store.h"},
    "session/hub.h": {"net/http.h", "session/close_reason.h"},
    "session/dispatch.h": {"loop/loop.h"},
    "session/flush.h": {"loop/loop.h"},
    "session/socket.h": {"session/close_reason.h", "wire/packet.h"},
    "session/outbox.h": {"wire/packet.h"},
    "session/transport.h": {"wire/packet.h"},
    "session/policy_question.h": {"policy/policy.h"},
    "session/session.h": {"loop/loop.h"},
    "session/timing.h": {"loop/loop.h"},
    "session/session_internal.h": {"channel/room.h"},
    "net/long_polling.h": {"wire/engineio.h"},
    "net/http_exchange.h": {"net/net_internal.h", "wire/chunked.h", "wire/http_head.h"},
    "net/inbound.h": {"wire/websocket_reader.h"},
    "net/net_internal.h": {"limit/admission.h", "limit/memory_budget.h", "loop/loop.h", "net/inbound.h", "net/server.h", "wire/websocket_reader.h"},
    "worker/presence_broadcast.h": {"presence/presence.h"},
    "worker/drain.h": {"loop/loop.h"},
    "command/findings.h": {"store/verify.h"},
    "worker/health.h": {"loop/loop.h", "net/http.h"},
    "worker/script_route.h": {"net/http.h"},
    "worker/router.h": {"net/server.h"},
    "worker/worker.h": {"worker/script_health.h"},
    "worker/settings.h": {"bus/adapter.h", "bus/bus.h", "redis/redis.h", "presence/presence.h", "channel/room.h", "limit/admission.h", "net/server.h", "session/hub.h"},
}
LICENCE = "SPDX-License-Identifier: Apache-2.0"  # a line that no size counts
FUNCTION_MAX, C_MAX, HEADER_MAX, LUA_MAX = 60, 600, 150, 300
# Headers with one subject that takes more lines than that.
LONGER = {
    "core/net/net_internal.h": 180,  # a server, a connection, and what the folder's files ask of each other
    "core/store/store_request.h": 225,  # every operation with what it asks and what it brings: one is read beside the other
    "core/session/session_internal.h": 200,  # likewise, the hub and a socket
}


def files(*patterns):
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()]


def rank(folder):
    return next((i for i, folders in enumerate(RANKS) if folder in folders), None)


def lint_includes(build):
    for path in files("core/*.c", "core/*.h", "core/**/*.c", "core/**/*.h"):
        inside = path.relative_to(ROOT / "core")
        folder = inside.parts[0] if len(inside.parts) > 1 else ""
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r'\s*#\s*include\s*[<"](lua|lauxlib|lualib|luajit)', line) and folder:
                yield path, number, "core knows no Lua"
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not match or not folder:
                continue
            target = match[1]
            other = target.split("/")[0]
            if "/" not in target or rank(other) is None:
                yield path, number, f"{target}: not a folder of core"
            elif other != folder and rank(other) <= rank(folder):
                yield path, number, f"{folder} must not include {other}"
            elif path.suffix == ".h" and other != "base" and other != folder:
                if target not in HEADER_EXCEPTIONS.get(str(inside), set()):
                    yield path, number, f"a header includes base/ only, not {target}"


def functions(lines):
    """(first line, length) of each function in clang-formatted C: from a line that ends in "{" at column 0 to "}"."""
    start = None
    for number, line in enumerate(lines, 1):
        if start is None and re.match(r"[A-Za-z_].*\)\s*\{$", line):
            start = number
        elif start is None and re.match(r"\s+.*\)\s*\{$", line) and number > 1 and re.match(r"[A-Za-z_]", lines[number - 2]):
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number - start + 1
            start = None


def lint_sizes(build):
    for path in files("*.c", "*.h", "*.lua"):
        lines = path.read_text().splitlines()
        most = {".c": C_MAX, ".h": HEADER_MAX, ".lua": LUA_MAX}[path.suffix]
        most = LONGER.get(str(path.relative_to(ROOT)), most)
        count = len(lines) - lines[0].count(LICENCE)
        if count > most:
            yield path, count, f"{count} lines, at most {most}"
        for start, length in functions(lines) if path.suffix == ".c" else ():
            if length > FUNCTION_MAX:
                yield path, start, f"a function of {length} lines, at most {FUNCTION_MAX}"


# Files that cannot have a comment, or that are text and not code.
UNLICENSED = re.compile(r"\.(?:md|txt|json|lock|sum|png)$|^LICENSE$|/copyright$|^\.(?:clang-format|gitignore)$|^tests/fuzz/corpus/")
BEFORE_LICENCE = ("#!", "<!doctype", "<?xml")


def lint_licence(build):
    """Each source, script and test names the licence in its first line, or right after a line that must be first."""
    for path in files():
        if UNLICENSED.search(str(path.relative_to(ROOT))):
            continue
        lines = path.read_text().splitlines()
        while lines and lines[0].startswith(BEFORE_LICENCE):
            del lines[0]
        if not lines or LICENCE not in lines[0]:
            yield path, 1, f"does not begin with a comment that says {LICENCE}"


# Of what the guides set in backticks: a path, and what stands for a name in it.
GUIDES = ["CONTRIBUTING.md", "README.md"]
GUIDE_PATH = re.compile(r"`([\w.*-]+/[\w./*-]*)`")
GUIDE_ELSE = re.compile(r"NAME|UNIT|^origin/")


def lint_guide(build):
    """The guides for newcomers name only files that exist."""
    for guide in files(*GUIDES):
        for number, line in enumerate(guide.read_text().splitlines(), 1):
            for name in GUIDE_PATH.findall(line):
                if not GUIDE_ELSE.search(name) and not any(ROOT.glob(name)):
                    yield guide, number, f"{name}: no such file"


# Calls that run a script, or ask whether one runs. The decision record has a row for each place, with the reason.
SCRIPTS_RUN = ROOT / "docs/decisions/020-when-scripts-run.md"
RUNS_SCRIPTS = re.compile(
    r"\b(?:policy_ask|policy_question_ask|task_start|vm_protect(?:_apart)?|lua_resume|lua_call|lua_pcall|lua_cpcall|luaL_callmeta)\(")


def lint_scripts(build):
    rows = {}
    for number, line in enumerate(SCRIPTS_RUN.read_text().splitlines(), 1):
        match = re.match(r"\| `(\S+\.[ch])` `(\w+)` \|", line)
        if match:
            rows[match[1], match[2]] = number
    found = set()
    for path in files("core/*.c", "core/**/*.c", "core/**/*.h", "lua/*.c", "lua/*.h"):
        lines = path.read_text().splitlines()
        name = str(path.relative_to(ROOT))
        if name.startswith("lua/testing/"):
            continue
        for start, length in functions(lines):
            head = start
            while not re.match(r"[A-Za-z_]", lines[head - 1]):
                head -= 1
            place = name, re.search(r"(\w+) ?\(", lines[head - 1])[1]
            for number in range(start + 1, start + length):
                if RUNS_SCRIPTS.search(lines[number - 1]):
                    found.add(place)
                    if place not in rows:
                        yield path, number, f"{place[1]} runs a script: no row of {SCRIPTS_RUN.name} says why it may"
    for place, number in rows.items():
        if place not in found:
            yield SCRIPTS_RUN, number, f"{place[1]} of {place[0]} runs no script"


def is_own(header, unit):
    """May the header declare functions of the unit? Only the unit's own header and the folder's internal one may."""
    return header.with_suffix(".c") == unit or (header.parent == unit.parent and header.stem.endswith("_internal"))


def lint_headers(build):
    """A public function stands in its own unit's header, or in the folder's one *_internal.h."""
    sources = files("core/*.[ch]", "core/**/*.[ch]", "lua/*.[ch]", "lua/**/*.[ch]")
    units, internal = {}, {}
    for path in sources:
        lines = path.read_text().splitlines()
        for start, length in functions(lines) if path.suffix == ".c" else ():
            while not re.match(r"[A-Za-z_]", lines[start - 1]):
                start -= 1
            if not lines[start - 1].startswith("static "):
                units.setdefault(re.search(r"(\w+)\(", lines[start - 1])[1], []).append(path)
    for path in sources:
        if path.suffix != ".h":
            continue
        if path.stem.endswith("_internal"):
            first = internal.setdefault(path.parent, path)
            if first != path:
                yield path, 1, f"the folder has an internal header: {first.name}"
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not re.match(r"(?!static |typedef )[A-Za-z_]", line):
                continue
            for name in re.findall(r"(\w+)\(", line):
                if name in units and not any(is_own(path, unit) for unit in units[name]):
                    yield path, number, f"{name} is a function of {units[name][0].name}"


def prefix_of(name, units):
    """The unit that a function's name begins with, in the singular or plural; a name that begins with none: its first word."""
    words = name.split("_")
    starts = ("_".join(words[:end]) for end in range(len(words), 0, -1))
    return next((start for start in starts if start in units or start + "s" in units), words[0])


def lint_unique(build):
    """A tag names one type. A prefix of public functions belongs to one folder, whose units may share it."""
    sources = files("core/*.[ch]", "core/**/*.[ch]", "lua/*.[ch]", "lua/**/*.[ch]")
    units = {path.stem.removesuffix("_internal") for path in sources}
    tags, prefixes = {}, {}
    for path in sources:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            tag = re.match(r"(?:static )?(?:const )?(?:struct|enum|union) (\w+) \{", line)
            if tag:
                first = tags.setdefault(tag[1], path)
                if first != path:
                    yield path, number, f"{tag[1]} is a tag of {first.relative_to(ROOT)}"
            if path.suffix == ".h" and re.match(r"(?!static |typedef )[A-Za-z_]", line) and not line.startswith("_Static_assert"):
                for name in re.findall(r"^[^(]*?\b(\w+)\(", line):
                    prefix = prefix_of(name, units)
                    first = prefixes.setdefault(prefix, path)
                    if first.parent != path.parent:
                        yield path, number, f"{name}: {prefix}_ is of {first.relative_to(ROOT)}"


FIELDS_MAX = 24
# Structs that may have more. config: a key's field bears the key's name.
WIDE = set("""
    config
""".split())


def fields(body):
    """The number of fields in a struct's body, including those of unnamed structs and unions in it."""
    count, depth, inner, statement = 0, 0, "", ""
    for c in body:
        depth -= c == "}"
        if depth > 0:
            inner += c
        elif c == ";":
            nameless = re.fullmatch(r"\s*(struct|union)\s*\{\}\s*", statement)
            bare = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", statement))
            count += fields(inner) if nameless else bare.count(",") + 1
            inner = statement = ""
        else:
            statement += c
        depth += c == "{"
    return count


def lint_fields(build):
    for path in files("core/*.[ch]", "core/**/*.[ch]", "lua/*.[ch]", "lua/**/*.[ch]"):
        text = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment[0].count("\n"), path.read_text(), flags=re.S)
        for match in re.finditer(r"^struct (\w+) \{\n(.*?)^\}", text, re.S | re.M):
            count = fields(match[2])
            if count > FIELDS_MAX and match[1] not in WIDE:
                yield path, text.count("\n", 0, match.start()) + 1, f"struct {match[1]} has {count} fields, at most {FIELDS_MAX}"


# Functions that nothing in the server calls, with the reason why they exist.
CALLED_ELSEWHERE = {
    "http_client_certificate": "links between regions ask for it",
}
PROTOTYPE = re.compile(r"^(?!static|typedef|struct \w+ \{|enum|union)[A-Za-z_][\w \*]*?\b(\w+)\([^;{]*\)[^;{]*;", re.M)


def lint_callers(build):
    """Each function of a header is called: none by tests alone, and one that only its own file calls is static, unless a test
    calls it too. lua/testing is for tests."""
    def words(path):
        blank = lambda match: "\n" * match[0].count("\n") or " "
        return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, path.read_text(), flags=re.S)
    headers = {path: words(path) for path in files("core/*.h", "lua/*.h")}
    in_headers = collections.Counter(re.findall(r"\w+", " ".join(headers.values())))
    sources = [collections.Counter(re.findall(r"\w+", words(path))) for path in files("core/*.c", "lua/*.c", "bench/*.c")]
    tested = set(re.findall(r"\w+", " ".join(words(path) for path in files("tests/*.c", "tests/*.h"))))
    for header, text in headers.items():
        name = str(header.relative_to(ROOT))
        for match in PROTOTYPE.finditer(text) if not name.startswith("lua/testing/") else ():
            function, number = match[1], text[:match.start()].count("\n") + 1
            uses = [source[function] for source in sources if source[function]]
            if function in CALLED_ELSEWHERE or in_headers[function] > 1:  # more than once: a macro or an inline function calls it
                continue
            if sum(uses) <= 1:
                yield header, number, f"{function} is called by {'tests alone' if function in tested else 'nobody'}"
            elif len(uses) == 1 and function not in tested:
                yield header, number, f"{function} is called in its own file alone: static"


# Words in names that say nothing (full words).
EMPTY_NAMES = re.compile(r"\b(?:struct|enum)\s+(?!lws_)\w*(?:ctx|_data|_info|manager|helper|_util)\b|\b(?:ctx|do_\w+)\s*\(")


def lint_names(build):
    for path in files("core/*.c", "core/*.h", "core/**/*.c", "core/**/*.h", "lua/*.c", "lua/*.h"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = EMPTY_NAMES.search(line)
            if match:
                yield path, number, f"a name that says nothing: {match[0]}"


def lint_format(build):
    program = shutil.which("clang-format-14") or shutil.which(ROOT / "build/format/bin/clang-format")
    if not program:
        print("clang-format 14 is missing (./dev check installs it)")
        sys.exit(1)
    names = [str(path) for path in files("*.c", "*.h")]
    result = subprocess.run([program, "--dry-run", "-Werror", *names], capture_output=True, text=True)
    for line in result.stderr.splitlines():
        match = re.match(r"(.+?):(\d+):\d+: error", line)
        if match:
            yield pathlib.Path(match[1]), int(match[2]), "not formatted (./dev fmt)"


def shown_keys(example):
    """{dotted key: (file, line, value if commented out)} of a configuration file."""
    shown, stack = {}, []
    for number, line in enumerate(example.read_text().splitlines(), 1):
        match = re.match(r"\s*(-- )?([a-z_0-9]+) = (.*?),?( -- .*)?$", line)
        if match and match[3] == "{":
            stack.append(match[2])
            shown[".".join(stack)] = example, number, None
        elif line.strip() == "}," and stack:
            stack.pop()
        elif match:
            shown[".".join([*stack, match[2]])] = example, number, match[3] if match[1] else None
    return shown


def lint_config(build):
    """docs/configuration.md is generated from the table of keys; config/stoa.lua and config/cluster.lua show every key."""
    page, example = ROOT / "docs/configuration.md", ROOT / "config/stoa.lua"
    made = subprocess.run([f"{build}/stoa", "keys"], capture_output=True, text=True, check=True).stdout
    if page.read_text() != made:
        yield page, 1, "stale: build/stoa keys > docs/configuration.md"
    cluster = shown_keys(ROOT / "config/cluster.lua")
    alone = shown_keys(example)
    rows = re.findall(r"^\| `([^`]+)` \| .*? \| (`[^`]*`|–) \| (?:live|new connections|restart) \|", made, re.M)
    for name, fallback in rows:
        wanted = "nil" if fallback == "–" else fallback.strip("`")
        if name not in alone | cluster and not any(key.startswith(name + ".") for key in alone | cluster):
            yield example, 1, f"{name} is not in it, nor in config/cluster.lua"
        for shown in (alone, cluster):
            file, number, written = shown.get(name, (example, 1, None))
            if written is not None and re.sub(r"\s", "", written) != re.sub(r"\s", "", wanted):
                yield file, number, f"{name}: the default is {wanted}"


# Names that are not files of the tree: made by a run or a reader, of other projects, or patterns of names.
MADE = re.compile(r"^build/|^/|^~|node_modules/|(?:^|[_/])(?!README|SECURITY|CHANGELOG|CONTRIBUTING)(?:[A-Z]{2,}|x)\."
                  r"|^(?:bench/)?(?:report|attack)\.md$|^(?:a|app)\.c$|dice\.lua$|^chat\.mjs$|^valgrind/")
CITED_FILE = re.compile(r"(?<![\w./:@*<{}$-])((?:\.\./)*(?:[\w-]+/)*[\w-]+(?:\.test)?\.(?:md|c|h|mjs|sql|cmake)"
                        r"|(?:bench|client|config|lua|scripts|tests)/(?:[\w-]+/)*[\w-]+\.(?:lua|js|py|sh|html))(?![\w(-])")
CITED_LINK = re.compile(r"\]\(([^)\s]+)\)")
CITED_DECISION = re.compile(r"\b[Dd]ecisions? (\d{3})\b")
# Lists that are not in the tree.
CITED_NUMBER = re.compile(r"\b[Pp]itfalls?[ _]\d+|\b(?:[Rr]ow|[Aa]ttack)s?[ _]\d+|§ ?\d")


def slug(heading):
    return re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()).replace(" ", "-")


def breaks(path, link):
    """Why a page's link is broken; None: it is not."""
    target, _, anchor = link.partition("#")
    page = (path.parent / target).resolve() if target else path
    if not page.exists():
        return f"{link}: no such file"
    if anchor and page.suffix == ".md" and anchor not in map(slug, re.findall(r"^#+ (.*)$", page.read_text(), re.M)):
        return f"{link}: no such heading"
    return None


def lint_citations(build):
    """Each cited file, page, heading or decision is in the tree; nothing cites a number of a list that is not in the tree."""
    tree = [path.relative_to(ROOT) for path in files()]
    endings = {"/".join(path.parts[i:]) for path in tree for i in range(len(path.parts))}
    decisions = {path.name[:3] for path in files("docs/decisions/*.md")}
    for path in files("*.[ch]", "*.lua", "*.mjs", "*.js", "*.py", "*.sh", "*.md", "*.sql", "*.cmake", "CMakeLists.txt", "dev"):
        if path.name in ("lint.py", "test_lint.py"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.startswith("#include"):
                continue
            links = CITED_LINK.findall(line) if path.suffix == ".md" else []
            for link in links:
                what = None if re.match(r"\w+:", link) or MADE.match(link) else breaks(path, link)
                if what:
                    yield path, number, what
            for name in CITED_FILE.findall(CITED_LINK.sub("]", line)):
                if not MADE.search(name) and name not in endings and not (path.parent / name).is_file():
                    yield path, number, f"{name}: no such file"
            for decision in CITED_DECISION.findall(line):
                if decision not in decisions:
                    yield path, number, f"decision {decision}: no such decision"
            for cited in CITED_NUMBER.findall(line):
                yield path, number, f"{cited}: say what must hold"


# Fixed waits in tests: C, JavaScript, Python, shell.
FIXED_TIMES = re.compile(
    r"\b(?:stage_pass|(?<![.#])pass(?=\((?:&scene->)?asking,)|usleep|nanosleep|(?<!stoa\.)(?<!pg_)sleep)\s*\(|\bpoll\(NULL|\bsleep [0-9]"
    r"|\bawait (?:setTimeout\(|new Promise\(.*\bsetTimeout\()")
WITH_REASON = re.compile(r"/\*|//|# |\b(?:for|while|until)\b|Promise\.race")


def lint_tests(build):
    """A test waits for a condition with a deadline. Where a fixed time passes, a comment on its line says what it stands for, or the line
    is itself a loop that looks again. What helpers do is in C files: a header holds their names."""
    for path in files("tests/*.c", "tests/*.h", "tests/*.mjs", "tests/*.js", "tests/*.py", "tests/*.sh"):
        if path.parent.name == "lint":
            continue
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if line[:1] in " \t" and FIXED_TIMES.search(line) and not WITH_REASON.search(line):
                yield path, number, "a fixed time: wait for a condition, or say on this line what the time stands for"
        for start, length in functions(lines) if path.suffix == ".h" else ():
            yield path, start, "a function's body in a header: a test's helpers are C files"


# Where "they" would do.
GENDERED = re.compile(r"(?<![A-Za-z])(?:he|she|his|hers?|him|himself|herself)(?![A-Za-z])", re.I)


def lint_people(build):
    """People are "they"."""
    for path in files("*.md", "*.c", "*.h", "*.lua", "*.mjs", "*.js", "*.py", "*.cmake", "*.sh", "*.html", "*.go", "*.rs", "*.java", "dev"):
        if path.parent.name == "lint":
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = GENDERED.search(line)
            if match:
                yield path, number, f'"{match[0]}": people are "they"'


# Where docs/security.md's "core/x" is.
SUITES = {"core": ["core/test_{}.c"], "lua": ["lua/{}_spec.lua", "lua/{}.c"], "scripts": ["scripts/{}_spec.lua"],
          "scenes": ["scenes/{}.test.mjs"], "fuzz": ["fuzz/fuzz_{}.c"]}


def lint_security(build):
    """Every test that docs/security.md names exists, and no attack is missing."""
    page, rows = ROOT / "docs/security.md", set()
    for number, line in enumerate(page.read_text().splitlines(), 1):
        match = re.match(r"\| ([0-9–, ]+) \|.*\|(.*)\|$", line)
        if not match:
            continue
        for part in match[1].split(","):
            first, _, last = part.strip().partition("–")
            rows.update(range(int(first), int(last or first) + 1))
        for suite, name in re.findall(r"\b(core|lua|scripts|scenes|fuzz)/(\w+)", match[2]):
            if name != "busted_gc" and not any((ROOT / "tests" / form.format(name)).is_file() for form in SUITES[suite]):
                yield page, number, f"{suite}/{name}: no such test"
    for row in set(range(1, 111)) - rows:
        yield page, 1, f"attack {row} is not in the table"


def lint_hardening(build):
    """The program is position-independent, its relocations are read-only, its stack is guarded and not executable; its code
    is made for control-flow protection."""
    program = pathlib.Path(build) / "stoa"
    told = subprocess.run(["readelf", "--wide", "-h", "-l", "-d", "--dyn-syms", program],
                          capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout
    for what, pattern in {
        "PIE": r"^ 0x\S+ \(FLAGS_1\) .*\bPIE\b",
        "all symbols bound at start": r"^ 0x\S+ \(FLAGS_1\) .*\bNOW\b",
        "read-only relocations": r"^  GNU_RELRO ",
        "a stack that is not executable": r"^  GNU_STACK .* RW +0x",
        "stack guards": r"\b__stack_chk_fail\b",
        "checked library calls": r"\b__memcpy_chk\b",
    }.items():
        if not re.search(pattern, told, re.M):
            yield program, 1, f"without {what}"
    yield from unprotected(program)


def lint_release(build):
    """The program has no planted faults (STOA_FAULTS): neither their names nor the functions of test builds."""
    program, planted = pathlib.Path(build).resolve() / "stoa", {"STOA_FAULT", "STOA_POWERCUT"}
    for path in files("core/*.c", "core/*.h", "core/**/*.c", "core/**/*.h", "lua/*.c", "lua/*.h"):
        text = path.read_text()
        planted.update(re.findall(r'\bfault_planted\("(\w+)"\)', text))
        for block in re.findall(r"^#ifdef STOA_FAULTS$(.*?)^#(?:else|endif)", text, re.M | re.S) if path.suffix == ".h" else ():
            planted.update(re.findall(r"^\w.*?(\w+)\(", block, re.M))
    held = set(program.read_bytes().split(b"\0"))
    for name in sorted(planted):
        if name.encode() in held:
            yield program, 1, f"holds {name}, which only test builds may"


def unprotected(program):
    """Objects that were not compiled for indirect branch tracking and shadow stacks; and the program, where the
    toolchain's own start files are marked so (Debian 12's are not, and one unmarked file takes the mark away)."""
    def notes(file):
        return subprocess.run(["readelf", "--wide", "-n", file], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout
    mark = "x86 feature: IBT, SHSTK"
    if platform.machine() != "x86_64":
        return
    for archive in sorted(program.parent.glob("libstoa_*.a")):
        for told in notes(archive).split("File: ")[1:]:
            if mark not in told:
                yield archive, 1, f"{told.splitlines()[0]}: without {mark}"
    start = subprocess.run(["cc", "-print-file-name=Scrt1.o"], capture_output=True, text=True, check=True).stdout.strip()
    if mark in notes(start) and mark not in notes(program):
        yield program, 1, f"without {mark}"


def main():
    rule, build = sys.argv[1], sys.argv[2]
    breaches = 0
    for path, number, what in globals()[f"lint_{rule}"](build):
        print(f"{path.relative_to(ROOT)}:{number}: {what}")
        breaches += 1
    sys.exit(1 if breaches else 0)


main()
