# SPDX-License-Identifier: Apache-2.0
"""titles.py: the titles of the commits that are not on origin/main, as CONTRIBUTING.md asks for them. Prints each breach; exit 1
if any. `./dev check` runs it."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TITLE_MAX = 72
TITLE = re.compile(r"[a-z][\w./-]*(?:, [a-z][\w./-]*)*: (?P<verb>[A-Z][a-z]+)(?=[ ,:]|$)")
# First words that are not imperative verbs: words that begin statements, then endings, with the verbs that have them too.
STATEMENTS = set("""
    A All An And Another Any As At Back Because Before Both But By Each Either Every For From He Her His How If In Its It Many More Most
    My Neither New No None Nothing Now Of On Once One Only Other Others Our Own People Several She Since So Some Than That The Their
    There These They This Those Three Through Two We What When Where Which While Who Whom Whose Why With Without You Your
    """.split())
ENDINGS = re.compile(r"ed$|ing$|[^s]s$|tion$|ness$")
VERBS = set("Embed Exceed Feed Need Proceed Seed Shed Shred Speed Succeed Bring Ping String Focus Bias Alias Mention Position Question "
            "Section Partition Witness".split())


def wrong(title):
    if len(title) > TITLE_MAX:
        yield f"{len(title)} characters, at most {TITLE_MAX}"
    match = TITLE.match(title)
    if not match:
        yield 'is not "component: Imperative"'
    elif match["verb"] in STATEMENTS or (ENDINGS.search(match["verb"]) and match["verb"] not in VERBS):
        yield f"{match['verb']} is not imperative"
    if title.endswith("."):
        yield "ends with a full stop"


def new_commits():
    """(short id, title) of each commit that origin/main lacks; none where there is no origin/main."""
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if git("rev-parse", "--verify", "--quiet", "origin/main").returncode != 0:
        return []
    log = git("log", "--no-merges", "--format=%h %s", "origin/main..HEAD")
    log.check_returncode()
    return [line.split(" ", 1) for line in log.stdout.splitlines()]


def main():
    breaches = [(commit, title, what) for commit, title in new_commits() for what in wrong(title)]
    for commit, title, what in breaches:
        print(f'{commit} "{title}": {what}')
    sys.exit(1 if breaches else 0)


main()
