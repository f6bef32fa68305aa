# SPDX-License-Identifier: Apache-2.0
"""check.py BUILD [--write]: counts the instructions of the hot functions (count.c, under callgrind) and compares them
with table.txt; --write writes the table again (./dev instructions). Counts depend on the toolchain: with another one the
check is skipped (77)."""

import pathlib
import platform
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE / "table.txt"
MARGIN = 0.03
HEAD = """# Instructions of the hot functions, by callgrind, for the inputs of count.c: 1,000 receivers for fanout and flush, 2,000 events
# for lua_event (so many that it does not matter where the collector is), 100 calls for the others. `./dev test` holds them within 3 %; `./dev instructions` counts them anew.
"""


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()


def toolchain(build):
    cache = (build / "CMakeCache.txt").read_text()
    compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.+)$", cache, re.M)[1]
    kind = re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", cache, re.M)[1] or "RelWithDebInfo"
    luajit = first_line("pkg-config", "--modversion", "luajit")
    parts = [first_line(compiler, "--version"), " ".join(platform.libc_ver()), first_line("valgrind", "--version")]
    return "; ".join([*parts, f"LuaJIT {luajit}", platform.machine(), kind])


def count(build):
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", build / "instructions", HERE / "stoa.lua"]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"callgrind failed:\n{result.stderr}")
        counts = {}
        for path in sorted(pathlib.Path(folder).iterdir(), key=lambda path: int(path.suffix[1:] or 0) if path.suffix else 0):
            text = path.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.M)
            if name:
                counts[name[1]] = int(re.search(r"^(?:totals|summary): (\d+)", text, re.M)[1])
        return counts


def read_table():
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return lines[0].removeprefix("toolchain: "), {name: int(n) for name, n in (line.split() for line in lines[1:])}


def write(build):
    counts = count(build)
    rows = "".join(f"{name:<20} {n:>12}\n" for name, n in counts.items())
    TABLE.write_text(f"{HEAD}toolchain: {toolchain(build)}\n{rows}")
    print(rows, end="")


def check(build):
    expected_toolchain, expected = read_table()
    if toolchain(build) != expected_toolchain:
        print(f"SKIPPED: the table is of another toolchain\n  table: {expected_toolchain}\n  here:  {toolchain(build)}")
        sys.exit(77)
    counts, failed = count(build), False
    for name in expected | counts:
        was, now = expected.get(name, 0), counts.get(name, 0)
        change = now / was - 1 if was else 1
        failed |= abs(change) > MARGIN
        print(f"{name:<20} {was:>12} {now:>12} {change:>+8.1%}{'  <-- beyond the margin' if abs(change) > MARGIN else ''}")
    if failed:
        sys.exit("More: find out why. Fewer, or more for a reason: ./dev instructions, and say it in the commit.")


if __name__ == "__main__":
    (write if "--write" in sys.argv else check)(pathlib.Path(sys.argv[1]).resolve())
