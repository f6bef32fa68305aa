# SPDX-License-Identifier: Apache-2.0
"""fleet.py [CLIENTS [RATE…]] | growth: many workers with a Redis Cluster and a sharded PostgreSQL, all on this machine. Within
tests/servers/postgres.py run: `./dev bench fleet` does that.

CLIENTS (50,000) Socket.IO clients in channels of ten send RATE (500 1000 2000 3000 5000) messages a second: how long
acknowledgements and deliveries took, how much processor time each kind of process used, what a message cost on Redis. `growth`:
what a message costs on Redis as workers and channels grow. README.md says how to measure PostgreSQL alone, beside pgbench."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

import servers

ROOT, BUILD = servers.ROOT, servers.BUILD
TICKS = os.sysconf("SC_CLK_TCK")
KINDS = ("stoa", "redis-server", "postgres", "bench_load")
WARMUP_MS, MEASURE_MS, SAMPLE_S = 1000, 5000, 0.25


def cpu_seconds(roots):
    """Processor seconds so far, by kind, of all descendants of `roots`, also of those that have ended."""
    processes = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name, fields = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        processes[int(stat.parent.name)] = name, int(fields[1]), sum(map(int, fields[11:15])) / TICKS
    seconds = dict.fromkeys(KINDS, 0.0)
    for pid, (name, parent, used) in processes.items():
        while pid not in roots and parent in processes:
            pid, parent = parent, processes[parent][1]
        if name in seconds and pid in roots:
            seconds[name] += used
    return seconds


class Transactions:
    """Counts transactions that PostgreSQL has ended, over a lasting connection to each server."""
    QUESTION = b"SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database;\n"

    def __init__(self, ports):
        self.links = [subprocess.Popen(["psql", "-XAtqh", "127.0.0.1", "-p", port, "-U", "postgres", "postgres"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE) for port in ports]

    def count(self):
        for link in self.links:
            link.stdin.write(self.QUESTION)
            link.stdin.flush()
        return sum(int(link.stdout.readline()) for link in self.links)

    def end(self):
        for link in self.links:
            link.communicate(timeout=10)


class Sampler(threading.Thread):
    """Samples processors, Redis and PostgreSQL all the time, because a window is known only after it."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        ports = (folder / "redis/ports").read_text().split()
        pids = [folder / "redis" / port / "pid" for port in ports]
        pids += pathlib.Path(os.environ["STOA_PG_FOLDER"]).glob("*/postmaster.pid")
        self.roots = {os.getpid(), *(int(pid.read_text().split()[0]) for pid in pids)}
        self.links = [socket.create_connection(("127.0.0.1", int(port)), 10) for port in ports]
        self.transactions = Transactions([os.environ["STOA_PG_GLOBAL"], *os.environ["STOA_PG_SHARDS"].split()])
        self.samples, self.over = [], threading.Event()
        self.own = {"commands": 0, "bytes": 0}  # what sampling has cost so far
        self.start()

    def run(self):
        while not self.over.wait(SAMPLE_S):
            self.samples.append({"at": time.monotonic(), **cpu_seconds(self.roots), **self._redis(),
                                 "transactions": self.transactions.count() - len(self.samples) * len(self.transactions.links)})
        self.transactions.end()

    def _redis(self):
        question, totals, own = b"INFO stats\r\n", {"commands": 0, "bytes": 0}, dict(self.own)
        for link in self.links:
            link.sendall(question)
            text = b""
            while not (head := re.match(rb"\$(\d+)\r\n", text)) or len(text) < head.end() + int(head[1]) + 2:
                if not (piece := link.recv(65536)):
                    raise ConnectionError("a Redis has closed its connection")
                text += piece
            number = lambda key: int(re.search(rb"%s:(\d+)" % key, text)[1])
            totals["commands"] += number(b"total_commands_processed")
            totals["bytes"] += number(b"total_net_input_bytes") + number(b"total_net_output_bytes")
            self.own["commands"] += 1
            self.own["bytes"] += len(question) + len(text)
        return {key: totals[key] - own[key] for key in totals}

    def window(self, step):
        """What was used per second within the step's window."""
        within = [s for s in self.samples if step["began_s"] <= s["at"] <= step["began_s"] + step["seconds"]]
        first, last = within[0], within[-1]
        return {key: (last[key] - first[key]) / (last["at"] - first["at"]) for key in first if key != "at"}


def environment(folder, clients, workers):
    def conninfo(port, name):
        return f"host=127.0.0.1 port={port} dbname={name} user=postgres"
    redis = ";".join(f"127.0.0.1:{port}" for port in (folder / "redis/ports").read_text().split())
    shards = os.environ["STOA_PG_SHARDS"].split()
    return {**os.environ, "BENCH_GLOBAL": conninfo(os.environ["STOA_PG_GLOBAL"], "global"), "BENCH_REDIS": redis,
            "BENCH_SHARDS": ";".join(conninfo(port, f"shard{i}") for i, port in enumerate(shards)), "BENCH_NODE": "bench",
            "BENCH_CONNECTIONS": str(clients + 1000), "BENCH_WORKERS": workers}


def start(folder, variables):
    config = ROOT / "bench/fleet.lua"
    subprocess.run([BUILD / "stoa", "migrate", "--config", config], env=variables, check=True, stdout=subprocess.DEVNULL)
    log = folder / "stoa.log"
    server = subprocess.Popen([BUILD / "stoa", "serve", "--config", config], env=variables, stderr=log.open("wb"))
    end = time.monotonic() + 60
    while not (found := re.search(r"server\.ready listen=\S+:(\d+)", log.read_text())):
        if server.poll() is not None or time.monotonic() > end:
            sys.exit(f"the fleet did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)
    return server, int(found[1])


def load(port, clients, channels, rates, pids):
    arguments = {"port": port, "dialect": "chat", "clients": clients, "channels": channels,
                 "publishers": min(10, clients // channels), "json": 1,
                 "processes": -(-clients // 18000), "steps": ",".join(f"r{rate}" for rate in rates), "warmup_ms": WARMUP_MS,
                 "measure_ms": MEASURE_MS, "drain_ms": 10000, "connect_ms": 180000, "pids": ",".join(map(str, pids))}
    done = subprocess.run([BUILD / "bench_load", *(f"{key}={value}" for key, value in arguments.items())],
                          capture_output=True, text=True, timeout=900)
    if done.stderr:
        print(done.stderr, end="", file=sys.stderr)
    if not done.stdout:
        sys.exit("bench_load said nothing")
    result = json.loads(done.stdout)
    if not result["steps"]:
        sys.exit(f"{clients:,} clients did not get as far as talking: {json.dumps(result)[:500]}")
    return result["steps"]


def measure(folder, clients, channels, rates, workers=""):
    """(the number of workers, steps); each step with what was used per second in its window."""
    server, port = start(folder, environment(folder, clients, workers))
    pids = servers.children(server.pid)
    sampler = Sampler(folder)
    try:
        steps = load(port, clients, channels, rates, pids)
        return len(pids), [{**step, "used": sampler.window(step)} for step in steps]
    except SystemExit:
        print((folder / "stoa.log").read_text()[-2000:], file=sys.stderr)
        raise
    finally:
        sampler.over.set()
        sampler.join(30)
        server.terminate()
        server.wait(60)


def rate_of(step):
    return f"{step['rate']:,}{'' if step['complete'] else ' †'}"


def under_load(folder, clients, rates):
    workers, steps = measure(folder, clients, clients // 10, rates, os.environ.get("BENCH_WORKERS", ""))
    print(f"{clients:,} clients, {workers} workers\n\n| messages/s asked | acknowledged/s | ack p50, ms | ack p99, ms | delivery p99, ms | "
          "of a processor |\n|---|---|---|---|---|---|")
    for step in steps:
        reached, used = step["answered"] / (WARMUP_MS + MEASURE_MS) * 1000, step["used"]
        shares = ", ".join(f"{kind} {100 * used[kind]:.0f} %" for kind in KINDS)
        print(f"| {rate_of(step)} | {reached:,.0f} | {step['answer']['p50_us'] / 1000:.1f} | {step['answer']['p99_us'] / 1000:.1f} | "
              f"{step['delivery']['p99_us'] / 1000:.1f} | {shares} |")
    print("\n| a message costs, at messages/s | stoa, CPU µs | PostgreSQL, CPU µs | transactions | Redis, CPU µs | commands | bytes |\n"
          "|---|---|---|---|---|---|---|")
    for step in steps:
        cost = {key: value / step["messages_per_s"] for key, value in step["used"].items()}
        print(f"| {rate_of(step)} | {1e6 * cost['stoa']:,.0f} | {1e6 * cost['postgres']:,.0f} | {cost['transactions']:.2f} | "
              f"{1e6 * cost['redis-server']:,.0f} | {cost['commands']:.1f} | {cost['bytes']:,.0f} |")
    print("\n†: not all was answered and delivered in time, and nothing more was asked.")


def growth(folder):
    print("| workers | channels | members each | Redis commands a message | bytes |\n|---|---|---|---|---|")
    for workers in (1, 2, 4):
        for channels in (10, 100, 1000):
            _, [step] = measure(folder, 1000, channels, [500], str(workers))
            rate, used = step["messages_per_s"], step["used"]
            print(f"| {workers} | {channels:,} | {1000 // channels} | {used['commands'] / rate:.2f} | {used['bytes'] / rate:,.0f} |", flush=True)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run(["bash", ROOT / "tests/servers/redis.sh", "cluster", folder / "redis"], check=True)
        try:
            if sys.argv[1:] == ["growth"]:
                growth(folder)
            else:
                under_load(folder, int(sys.argv[1]) if len(sys.argv) > 1 else 50000,
                           [int(rate) for rate in sys.argv[2:]] or [500, 1000, 2000, 3000, 5000])
        finally:
            subprocess.run(["bash", ROOT / "tests/servers/redis.sh", "stop", folder / "redis"], check=True)


main()
