# SPDX-License-Identifier: Apache-2.0
"""test_lint.py: plants breaches in a tree of a few files; the lint must name each of them, and nothing else."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
LICENCE = "SPDX-License-Identifier: Apache-2.0"


class Tree:
    """A repository with the lint and {name: text}, removed at the end."""

    def __init__(self, case, names):
        folder = tempfile.TemporaryDirectory()
        case.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.git("init", "--quiet", "--initial-branch=main")
        (self.root / "tests/lint").mkdir(parents=True)
        for script in "lint.py", "titles.py":
            shutil.copy(HERE / script, self.root / "tests/lint")
        for name, text in names.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)

    def git(self, *arguments):
        subprocess.run(["git", "-c", "user.name=Alice", "-c", "user.email=alice@example.org", "-c", "commit.gpgsign=false", *arguments],
                       cwd=self.root, check=True, capture_output=True)

    def breaches(self, rule):
        """The lines that the lint prints; its exit code must agree."""
        return self.run("lint.py", rule, "build")

    def run(self, script, *arguments):
        run = subprocess.run([sys.executable, f"tests/lint/{script}", *arguments], cwd=self.root, capture_output=True, text=True)
        lines = run.stdout.splitlines()
        assert run.returncode == (1 if lines else 0) and not run.stderr, run
        return lines


class Release(unittest.TestCase):
    def test_what_is_planted_is_not_in_the_program(self):
        names = {
            "core/good.c": 'if (fault_planted("sync_off") || fault_planted("no_grace")) return;\n',
            "core/fault.h": "#ifdef STOA_FAULTS\nconst char *powercut_vfs(void);\n#else\n#define powercut_vfs() NULL\n#endif\nint kept(void);\n",
        }
        good = Tree(self, {**names, "build/stoa": "\0kept\0PRAGMA sync_off\0"})
        self.assertEqual(good.breaches("release"), [])
        bad = Tree(self, {**names, "build/stoa": "\0sync_off\0powercut_vfs\0STOA_FAULT\0kept\0"})
        self.assertEqual([line.split()[2].strip(",") for line in bad.breaches("release")], ["STOA_FAULT", "powercut_vfs", "sync_off"])


class Headers(unittest.TestCase):
    def test_a_function_in_another_units_header_is_found(self):
        tree = Tree(self, {
            "core/room/room.h": "void room_open(void);\nvoid door_open(void);\nvoid door_close(\n    void);\nint room_size(int (*door_open)(void));\n",
            "core/room/room.c": "void room_open(void) {\n}\nint room_size(int (*other)(void)) {\n    return 0;\n}\n",
            "core/room/door.c": "void door_open(void) {\n}\nvoid door_close(\n    void) {\n}\nvoid door_lock(void) {\n}\nstatic void room_open_later(void) {\n}\n",
            "core/room/room_internal.h": "void door_lock(void);\n",
            "core/hall/hall_internal.h": "void door_lock(void);\n",
            "lua/door.h": "void door_lock(void);\n",
        })
        self.assertEqual(tree.breaches("headers"), [
            "core/hall/hall_internal.h:1: door_lock is a function of door.c",
            "core/room/room.h:2: door_open is a function of door.c",
            "core/room/room.h:3: door_close is a function of door.c",
            "lua/door.h:1: door_lock is a function of door.c",
        ])

    def test_a_folders_second_internal_header_is_found(self):
        tree = Tree(self, {f"core/{name}_internal.h": "" for name in ("hall/hall", "room/door", "room/room")})
        self.assertEqual(tree.breaches("headers"), ["core/room/room_internal.h:1: the folder has an internal header: door_internal.h"])


class Unique(unittest.TestCase):
    def test_a_tag_of_two_files_is_found(self):
        tree = Tree(self, {
            "core/room/room.c": "static const struct door {\n    int x;\n} doors[1];\nstruct wall {\n    int x;\n};\n",
            "core/room/room.h": "struct wall;\nenum key { KEY };\n",
            "lua/hall.c": "struct door {\n    int y;\n};\nunion key {\n    int y;\n};\n",
        })
        self.assertEqual(tree.breaches("unique"), [
            "lua/hall.c:1: door is a tag of core/room/room.c",
            "lua/hall.c:4: key is a tag of core/room/room.h",
        ])

    def test_a_prefix_of_two_folders_is_found(self):
        tree = Tree(self, {
            "core/hall/hall.h": "void hall_open(void);\nvoid doors_count(void);\nint room_of_hall(void (*room_open)(void));\n",
            "core/hall/doors.h": "void door_open(void);\n",
            "core/room/room.h": "void room_open(void);\nvoid room_door_open(void);\nvoid hall_door_open(void);\n",
            "core/room/hall_door.h": "void hall_door_close(void);\nvoid door_close(\n    void);\n",
            "lua/room.h": "static inline void room_close(void) {\n}\nvoid key_turn(void);\n",
            "lua/testing/lock.h": "void key_find(void);\n",
        })
        self.assertEqual(tree.breaches("unique"), [
            "core/room/hall_door.h:2: door_close: door_ is of core/hall/doors.h",
            "core/room/room.h:1: room_open: room_ is of core/hall/hall.h",
            "core/room/room.h:2: room_door_open: room_ is of core/hall/hall.h",
            "lua/testing/lock.h:1: key_find: key_ is of lua/room.h",
        ])


class Fields(unittest.TestCase):
    def test_a_struct_of_too_many_fields_is_found(self):
        named = "".join(f"    int a{i}, b{i}; /* two; of them */\n" for i in range(12))
        inner = "    union {\n        int c;\n        struct {\n            int d, e;\n        } f;\n    };\n"
        tree = Tree(self, {
            "core/room/full.h": f"/* A room. */\nstruct full {{\n{named}}};\n",
            "core/room/over.h": f"/* A\n * room. */\nstruct over {{\n{named}    void (*fn)(int a, int b);\n}};\n",
            "lua/nameless.c": f"struct nameless {{\n{named}{inner}}};\n",
        })
        self.assertEqual(tree.breaches("fields"), [
            "core/room/over.h:3: struct over has 25 fields, at most 24",
            "lua/nameless.c:1: struct nameless has 26 fields, at most 24",
        ])


class Callers(unittest.TestCase):
    def test_what_tests_alone_or_nobody_calls_is_found(self):
        tree = Tree(self, {
            "core/base/room.h": "/* room_bytes is not it. */\nint room_size(int room);\nint room_bytes(int room);\nint room_last(void);\n"
                                "int room_own(void);\nint room_tested(void);\nint room_log(void);\n#define ROOM() room_log()\n",
            "core/base/room.c": "int room_size(int room) { return room_own() + room_tested(); }\nint room_bytes(int room) { return 1; }\n"
                                "int room_last(void) { return 2; }\nint room_own(void) { return 3; }\nint room_tested(void) { return 4; }\n"
                                "int room_log(void) { return 5; }\n",
            "core/main.c": 'int main(void) { puts("room_last"); return room_size(1); }\n',
            "lua/testing/testing.h": "int testing_now(void);\n",
            "tests/core/test_room.c": "int main(void) { return room_bytes(1) + room_tested(); }\n",
        })
        self.assertEqual([line.split(": ", 1) for line in tree.breaches("callers")], [
            ["core/base/room.h:3", "room_bytes is called by tests alone"],
            ["core/base/room.h:4", "room_last is called by nobody"],
            ["core/base/room.h:5", "room_own is called in its own file alone: static"],
        ])


class Licence(unittest.TestCase):
    def test_what_names_no_licence_is_found(self):
        tree = Tree(self, {
            "core/good.c": f"/* {LICENCE} */\nint x;\n",
            "core/none.c": "int x;\n",
            "core/late.h": f"int x;\n/* {LICENCE} */\n",
            "core/empty.lua": "",
            "good.sh": f"#!/bin/sh\n# {LICENCE}\n",
            "none.sh": "#!/bin/sh\nexit 0\n",
            "page.html": f"<!doctype html>\n<!-- {LICENCE} -->\n",
            "packaging/deb/postinst": "#!/bin/sh\n",
            "README.md": "# Words\n",
        })
        found = [line.split(":")[0] for line in tree.breaches("licence")]
        self.assertEqual(found, ["core/empty.lua", "core/late.h", "core/none.c", "none.sh", "packaging/deb/postinst"])


class Sizes(unittest.TestCase):
    def test_no_size_counts_the_licence(self):
        long = {f"core/{name}.c": head + "int x;\n" * 600 for name, head in
                {"licensed": f"/* {LICENCE} */\n", "longer": f"/* {LICENCE} */\nint y;\n", "plain": "int y;\n"}.items()}
        found = [line.split(":")[0] for line in Tree(self, long).breaches("sizes")]
        self.assertEqual(found, ["core/longer.c", "core/plain.c"])


class Citations(unittest.TestCase):
    maxDiff = None

    def test_what_cites_something_that_is_not_there_is_found(self):
        tree = Tree(self, {
            "docs/page.md": "# A page\n\n## Two words, `code`\n",
            "docs/links.md": "[a](page.md) [b](page.md#two-words-code) [c](https://x.example/gone.md) [d](#here) [e](page.md#three) [f](gone.md)\n## Here\n",
            "docs/decisions/001-first.md": "", "CONTRIBUTING.md": "",  # titles.py cites it
            "core/room/room.c": "#include <gone.h>\n/* Decision 001, decision 002. docs/page.md, docs/other.md; room/room.c, room.c, door.c. */\n",
            "scripts/chat.lua": "-- page.md, tests/gone.lua, build/gone.md\n-- Pitfall 12: it leaks (row 3). 4 rows of 5.\nlocal file = socket.close()\n",
            "tests/test_room.c": "static void pitfall_7_nobody_waits(void **state);\nstatic void attack_105_nothing_is_taken(void **state);\n",
        })
        self.assertEqual(tree.breaches("citations"), [
            "core/room/room.c:2: docs/other.md: no such file",
            "core/room/room.c:2: door.c: no such file",
            "core/room/room.c:2: decision 002: no such decision",
            "docs/links.md:1: page.md#three: no such heading",
            "docs/links.md:1: gone.md: no such file",
            "scripts/chat.lua:1: tests/gone.lua: no such file",
            "scripts/chat.lua:2: Pitfall 12: say what must hold",
            "scripts/chat.lua:2: row 3: say what must hold",
            "tests/test_room.c:1: pitfall_7: say what must hold",
            "tests/test_room.c:2: attack_105: say what must hold",
        ])


class Guide(unittest.TestCase):
    def test_a_file_that_is_gone_is_found(self):
        guide = "`core/base/`, `core/x.c`, `core/*.c`, `tests/*_spec.lua`, `core/gone.c`\n`lua/bind_NAME.c`, `origin/main`, `build/stoa keys`\n"
        tree = Tree(self, {"CONTRIBUTING.md": guide, "core/x.c": "", "core/base/log.c": ""})
        self.assertEqual(tree.breaches("guide"), [f"CONTRIBUTING.md:1: {name}: no such file" for name in ("tests/*_spec.lua", "core/gone.c")])


class Tests(unittest.TestCase):
    def test_a_fixed_time_needs_its_reason(self):
        tree = Tree(self, {
            "tests/core/test_good.c": "void f(void) {\n    stage_pass(5); /* the lease */\n    while (!done) usleep(5);\n    stage_until(done);\n}\n",
            "tests/core/test_bad.c": "void f(void) {\n    stage_pass(5);\n    usleep(5);\n    pass(&scene->asking, 5);\n}\n",
            "tests/good.mjs": "const sleep = 1;\n  await sleep(5); // the lease\n  proxy.pass();\n  setTimeout(end, 5);\n",
            "tests/bad.mjs": "  await sleep(5);\n  await new Promise((resolve) => setTimeout(resolve, 5));\n",
            "tests/bad.py": "def f():\n    time.sleep(5)\n",
            "tests/bad.sh": "f() {\n    sleep 5\n}\n",
        })
        found = [":".join(line.split(":")[:2]) for line in tree.breaches("tests")]
        self.assertEqual(found, ["tests/bad.mjs:1", "tests/bad.mjs:2", "tests/bad.py:2", "tests/bad.sh:2",
                                 "tests/core/test_bad.c:2", "tests/core/test_bad.c:3", "tests/core/test_bad.c:4"])

    def test_a_header_has_no_bodies(self):
        tree = Tree(self, {"tests/core/support/good.h": "int f(void);\n#define TWICE(x) \\\n    ((x) * 2)\n",
                           "tests/core/support/bad.h": "static inline int f(void) {\n    return 1;\n}\n"})
        self.assertEqual([line.split(":")[0] for line in tree.breaches("tests")], ["tests/core/support/bad.h"])


class People(unittest.TestCase):
    def test_gendered_words_are_found(self):
        tree = Tree(self, {"core/good.c": "/* They say it themselves: the shell, here, theme. */\n", "core/bad.c": "/* until He leaves */\n", "core/name.c": "void his_seat(void);\n",
                           "docs/bad.md": "A user and her devices\n", "scripts/bad.lua": "-- by himself\n"})
        self.assertEqual([line.split(":")[0] for line in tree.breaches("people")], ["core/bad.c", "core/name.c", "docs/bad.md", "scripts/bad.lua"])


class Titles(unittest.TestCase):
    GOOD = ["net: Count what a queue holds", "lua, scripts: Bring the limits together", "sqlite/append: Need one transaction",
            "net: " + "Count".ljust(67, "t")]
    BAD = {"net: " + "Count".ljust(68, "t"): "73 characters, at most 72", "Count what a queue holds": 'is not "component: Imperative"',
           "net: count what a queue holds": 'is not "component: Imperative"', "net: The queue is counted": "The is not imperative",
           "net: Counts what a queue holds": "Counts is not imperative", "net: Counted the queue": "Counted is not imperative",
           "net: Counting the queue": "Counting is not imperative", "net: Count the queue.": "ends with a full stop"}

    def commit(self, tree, titles):
        for title in titles:
            tree.git("commit", "--quiet", "--allow-empty", "--message", title)

    def test_a_bad_title_is_found(self):
        tree = Tree(self, {})
        self.commit(tree, ["Begin"])
        tree.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.commit(tree, self.GOOD)
        self.assertEqual(tree.run("titles.py"), [])
        self.commit(tree, self.BAD)
        found = [line.split(" ", 1)[1] for line in tree.run("titles.py")]
        self.assertEqual(found, [f'"{title}": {what}' for title, what in reversed(self.BAD.items())])

    def test_no_commit_is_judged_that_origin_has(self):
        tree = Tree(self, {})
        self.commit(tree, self.BAD)
        self.assertEqual(tree.run("titles.py"), [])
        tree.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.assertEqual(tree.run("titles.py"), [])


if __name__ == "__main__":
    unittest.main()
