# SPDX-License-Identifier: Apache-2.0
"""attack.py [ROW…] [--seconds N] [--after N] | list: how much one client, account or address harms 1,000 others that chat.

Each attack of attackers.py lasts N seconds (30), at its rate and at ten times its rate, from one address and from 200, on a new server
with the shipped policies. Exit 1: a row does not hold (README.md defines when it holds). Results go to build/bench/attack.md and attack.json."""

import argparse
import asyncio
import json
import os
import pathlib
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import attackers
import machine
import report
import servers

OUT, TICKS, PAGE = servers.BUILD / "bench", os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
FORMS = [(times, addresses) for addresses in (1, 200) for times in (1, 10)]
CHANNELS, RATE, CALM_S, DRAIN_S, START_S = 100, 100, 3, 10, 60  # RATE: within the shipped limits of users and channels
NEWCOMER_EACH_S, NEWCOMER_FROM = 0.25, "127.0.0.99"
SAMPLE_S, NAP_S = 0.1, 0.005
P99_MS = 100
# The most memory that clients can make a worker hold with the shipped limits, by docs/backpressure.md: data under way in both directions,
# Lua's memory, caches, counters.
BUDGET_MB = (64 + 256 + 64 + 64 + 16) * 1048576 / 1e6
BACK_MB, BACK_S = 64 * 1048576 / 1e6, 60  # how much may stay after how many seconds: Lua's memory
BACK_EACH_S = 0.5
LARGE_FILE_BYTES, PAGE_BYTES = 7000000, 8000
ATTACKERS_NICE = "19"  # the others' latency must come from the server, not from attackers on the same core


def rss_mb(pid):
    """The memory of the server and its workers now."""
    pages = 0
    for one in (pid, *servers.children(pid)):
        try:
            pages += int(pathlib.Path(f"/proc/{one}/statm").read_text().split()[1])
        except OSError:
            pass  # it has ended
    return pages * PAGE / 1e6


class Watch(threading.Thread):
    """Watches during the attack: the most memory, whether right tokens are let in, how late the load's core itself is."""

    def __init__(self, server, address):
        super().__init__(daemon=True)
        self.server, self.address, self.over = server, address, threading.Event()
        self.peak_mb, self.let_in, self.refused, self.late_ms = 0, 0, 0, [0]

    def run(self):
        asyncio.run(self._both())

    async def _both(self):
        await asyncio.gather(self._look(), self._nap(), self._come())

    async def _look(self):
        while not self.over.is_set():
            self.peak_mb = max(self.peak_mb, rss_mb(self.server.process.pid))
            await asyncio.sleep(SAMPLE_S)

    async def _nap(self):
        while not self.over.is_set():
            start = time.monotonic()
            await asyncio.sleep(NAP_S)
            self.late_ms.append((time.monotonic() - start - NAP_S) * 1000)

    async def _come(self):
        number = 0
        while not self.over.is_set():
            number, start = number + 1, time.monotonic()
            try:
                await self._one(number)
                self.let_in += 1
            except (OSError, EOFError, asyncio.TimeoutError):
                self.refused += 1
            await asyncio.sleep(max(0, start + NEWCOMER_EACH_S - time.monotonic()))

    async def _one(self, number):
        link = await attackers.Link.open(self.server.port, self.address)
        try:
            await link.upgrade()
            await link.join(f"newcomer-{number}")
        finally:
            link.close()


def come_back(server, before_mb, seconds):
    """Memory that many seconds later, and when it came back for good to within BACK_MB of the start; None: it did not."""
    start, back_s, now_mb = time.monotonic(), 0, rss_mb(server.process.pid)
    while True:
        if now_mb - before_mb > BACK_MB:
            back_s = None
        elif back_s is None:
            back_s = time.monotonic() - start
        left_s = seconds - (time.monotonic() - start)
        if left_s <= 0:
            return {"after_mb": now_mb, "back_s": back_s}
        time.sleep(min(BACK_EACH_S, left_s))
        now_mb = rss_mb(server.process.pid)


def ask(server, secret, method, path, body):
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/api/{path}", json.dumps(body).encode(), method=method,
                                     headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def furnish(server, secret, row):
    """Makes the channels, and a long history if the row needs it."""
    names = [f"room-{i}" for i in range(CHANNELS)] + ["attacked", "library"] + [f"typed-{i}" for i in range(attackers.TYPED_IN)]
    for name in names:
        ask(server, secret, "PUT", f"channels/{name}", {"visibility": "public"})
    for i in range(100 if row.name == "unread-history" else 0):
        ask(server, secret, "POST", "channels/library/messages", {"userId": "author", "content": f"{i} " + "x" * PAGE_BYTES})


def start_load(server, folder, options):
    """Runs bench_load: before, during and after the attack."""
    (folder / "tokens").write_text("".join(attackers.token(f"user-{i}") + "\n" for i in range(options.clients)))
    steps = [f"r{options.rate}@{int(seconds * 1000)}" for seconds in (options.calm, options.seconds, max(options.after, 0.001))]
    arguments = {"port": server.port, "dialect": "chat", "clients": options.clients, "channels": min(CHANNELS, options.clients // 10),
                 "publishers": 10, "steps": ",".join(steps), "warmup_ms": 0, "drain_ms": DRAIN_S * 1000, "json": 1, "tell": 1,
                 "tokens": folder / "tokens", "pids": ",".join(map(str, server.pids))}
    return subprocess.Popen([servers.BUILD / "bench_load", *(f"{key}={value}" for key, value in arguments.items())],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start_attackers(server, row, form, options, environment):
    command = ["nice", "-n", ATTACKERS_NICE, sys.executable, servers.ROOT / "bench/attackers.py", row.name, server.port, options.seconds,
               *form]
    attack = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, **environment})
    attack.stdout.readline()
    return attack


def wait_for_step(load, number):
    for line in load.stderr:
        if line.startswith(f"bench_load: step {number}"):
            return
        if "step" not in line:
            print(line, end="", file=sys.stderr)
    raise RuntimeError("the others' load ended before the attack began")


def run_one(row, form, options, folder):
    environment = {"BENCH_SECRET": secrets.token_hex(16), "BENCH_FILES": str(folder / "files")}
    os.environ["BENCH_SECRET"] = environment["BENCH_SECRET"]
    (folder / "files").mkdir()
    (folder / "files/large.bin").write_bytes(bytes(LARGE_FILE_BYTES))
    with servers.Server("stoa, attacked", folder, options.server_core, environment=environment) as server:
        furnish(server, environment["BENCH_SECRET"], row)
        attack = start_attackers(server, row, form, options, environment)
        load = start_load(server, folder, options)
        try:
            wait_for_step(load, 1)
            result = {"before_mb": rss_mb(server.process.pid)}
            watch = Watch(server, attackers.addresses(form[1])[0] if row.shared else NEWCOMER_FROM)
            watch.start()
            reached, _ = attack.communicate("go\n", timeout=options.seconds + START_S)
            watch.over.set()
            watch.join(START_S)
            result |= come_back(server, result["before_mb"], options.after)
            printed, _ = load.communicate(timeout=options.after + 2 * DRAIN_S + START_S)
        finally:
            for process in (attack, load):
                process.kill()
                process.wait()
        log = server.log.read_text(errors="replace")
    calm, attacked = (json.loads(printed)["steps"] + [{}])[:2]
    return {**result, **json.loads(reached), "calm": calm, "attacked": attacked, "peak_mb": watch.peak_mb,
            "let_in": watch.let_in, "turned_away": watch.refused, "late_p99_ms": sorted(watch.late_ms)[len(watch.late_ms) * 99 // 100],
            "ended": log.count(" worker.exited "), "rebuilt": log.count(" policy.rebuilt "), "long_turns": log.count(" loop.long_turn "),
            "log": log[-4000:]}


def complaints(result, options):
    """Why the row does not hold."""
    step = result["attacked"]
    p99_ms = max(step[kind]["p99_us"] for kind in ("answer", "delivery")) / 1000
    checks = [
        (p99_ms >= P99_MS, f"p99 {p99_ms:.0f} ms"),
        (step["refused"], f"{step['refused']} refused"),
        (step["lost"] or step["answered"] + step["refused"] < step["sent"], "lost"),
        (step["closed"], f"{step['closed']} of the others were cut off"),
        (result["turned_away"], f"{result['turned_away']} newcomers turned away"),
        (result["ended"], f"{result['ended']} workers ended"),
        (result["rebuilt"], f"scripts built anew {result['rebuilt']} times"),
        (result["peak_mb"] - result["before_mb"] > BUDGET_MB, "memory beyond the budget"),
        (options.after >= BACK_S and (result["back_s"] is None or result["back_s"] > BACK_S), "memory not given back"),
    ]
    return [text for wrong, text in checks if wrong]


HEAD = ["attack", "addresses", "a second", "KB/s", "ack p50, p99, ms", "delivery p50, p99, ms", "calm p99, ms", "load late, ms",
        "refused, lost, cut off", "newcomers in, out", "RSS before, peak, after, MB", "RSS back, s", "CPU calm, attacked, %",
        "workers ended", "scripts rebuilt", "long turns", "holds"]


def title(name, form):
    return name if form[0] == 1 else f"{name} ×{form[0]}"


def line_of(name, form, result, options):
    calm, step = result["calm"], result["attacked"]
    def ms(part, *names):
        return ", ".join(f"{part[f'{name}_us'] / 1000:.1f}" for name in names)
    saturated = result["reached"] < 0.9 * result["wanted"]
    missing = step["lost"] + step["sent"] - step["answered"] - step["refused"]
    return [title(name, form), str(form[1]), f"{result['reached']:,.0f}" + (f" of {result['wanted']:,.0f}" if saturated else ""),
            f"{result['bytes_per_s'] / 1000:,.0f}", ms(step["answer"], "p50", "p99"), ms(step["delivery"], "p50", "p99"),
            ms(calm["answer"], "p99"), f"{result['late_p99_ms']:.1f}", f"{step['refused']}, {missing}, {step['closed']}",
            f"{result['let_in']}, {result['turned_away']}",
            f"{result['before_mb']:.0f}, {result['peak_mb']:.0f}, {result['after_mb']:.0f}",
            "no" if result["back_s"] is None else f"{result['back_s']:.1f}",
            f"{calm['server_cpu_percent']:.0f}, {step['server_cpu_percent']:.0f}", str(result["ended"]), str(result["rebuilt"]),
            str(result["long_turns"]), "; ".join(complaints(result, options)) or "yes"]


def markdown(results, options):
    rows = [line_of(one["row"], one["form"], one["result"], options) if "result" in one else
            [title(one["row"], one["form"]), str(one["form"][1]), *["–"] * (len(HEAD) - 3), *one["complaints"]] for one in results]
    about = {row.name: row.about for row in attackers.ROWS}
    names = dict.fromkeys(one["row"] for one in results)
    described = machine.describe(servers.BUILD)
    return "\n".join([
        "# One client takes nothing from the others\n",
        f"{options.clients:,} others chat, {options.rate} messages a second, {options.seconds:g} s of each attack, memory again "
        f"{options.after:g} s later. \"n of m\": the attackers came to n a second, which is their own end or the server's patience. "
        f"Back: when memory had come back to what it was before and {BACK_MB:.0f} MB, which is the scripts' memory. Calm: before the attack. Late: the load's core for what is due, p99, which is not the server's doing.\n",
        report.table(HEAD, rows) + "\n", *(f"- {name}: {about[name]}" for name in names), "",
        report.table(["", ""], [[key, described[key]] for key in ("processor", "memory", "kernel", "load before", "stoa")]) + "\n"])


def run_all(rows, forms, options):
    results, each_s = [], CALM_S + options.seconds + options.after + 5
    for number, (row, form) in enumerate((row, form) for row in rows for form in forms):
        left_s = each_s * (len(rows) * len(forms) - number)
        print(f"[{number + 1:3}/{len(rows) * len(forms)}] {row.name}, {'' if form[0] == 1 else f'{form[0]} times, '}{form[1]} "
              f"address{'es' if form[1] > 1 else ''}  (about {left_s // 60:.0f}:{left_s % 60:02.0f} left)", flush=True)
        one = {"row": row.name, "form": form}
        results.append(one)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="attack-", dir=OUT))
        try:
            one["result"] = run_one(row, form, options, folder)
            one["complaints"] = complaints(one["result"], options)
        except (RuntimeError, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
            one["complaints"] = [f"not measured: {error}"]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print("  " + ("; ".join(one["complaints"]) or "holds"), flush=True)
        (OUT / "attack.json").write_text(json.dumps(results, indent=1))
    return results


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--after", type=float, default=BACK_S)
    options = parser.parse_args()
    if options.rows == ["list"]:
        print("\n".join(f"{row.name:15} {row.about}" for row in attackers.ROWS))
        return
    rows, forms, options.clients, options.rate, options.calm = attackers.ROWS, FORMS, 1000, RATE, CALM_S
    if options.rows == ["smoke"]:  # short, measures nothing: for the tests of this program
        rows, forms, options.clients, options.rate = rows[-1:], FORMS[:1], 20, 20
        options.calm, options.seconds, options.after = 0.3, 1, 0
    elif options.rows:
        rows = [row for row in rows if row.name in options.rows]
        if len(rows) < len(set(options.rows)):
            parser.error(f"attacks: {' '.join(row.name for row in attackers.ROWS)}")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    options.server_core, options.core = servers.cores()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})  # also for child processes, except the server
    OUT.mkdir(parents=True, exist_ok=True)
    results = run_all(rows, forms, options)
    text = markdown(results, options)
    (OUT / "attack.md").write_text(text)
    print("\n" + text)
    sys.exit(1 if any(one["complaints"] for one in results) else 0)


main()
