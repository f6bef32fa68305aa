"""fleet.py [CLIENTS [RATE…]]: many workers with a Redis Cluster and a sharded PostgreSQL, all on this machine, under the load of
CLIENTS (50,000) Socket.IO clients in channels of ten; acknowledged messages at each RATE a second (500 1000 2000 3000 5000). Within
tests/servers/postgres.py run: `./dev bench fleet` does that.

Says what was reached, what each kind of process took of a processor, and what a message costs on Redis. What PostgreSQL alone can
take, beside pgbench: README.md."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import servers

ROOT, BUILD = servers.ROOT, servers.BUILD
TICKS = os.sysconf("SC_CLK_TCK")
KINDS = ("stoa", "redis-server", "postgres", "bench_load")
WARMUP_MS, MEASURE_MS = 1000, 5000


def cpu_seconds():
    """Of all processes of each kind, so far."""
    seconds = dict.fromkeys(KINDS, 0.0)
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name, fields = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if name in seconds:
            seconds[name] += (int(fields[11]) + int(fields[12])) / TICKS
    return seconds


def redis_totals(ports):
    totals = {"commands": 0, "bytes": 0}
    for port in ports:
        text = subprocess.run(["redis-cli", "-p", port, "info", "stats"], capture_output=True, text=True, timeout=10).stdout
        number = lambda key: int(re.search(rf"{key}:(\d+)", text)[1])
        totals["commands"] += number("total_commands_processed")
        totals["bytes"] += number("total_net_input_bytes") + number("total_net_output_bytes")
    return totals


def environment(folder, clients):
    def conninfo(port, name):
        return f"host=127.0.0.1 port={port} dbname={name} user=postgres"
    redis = ";".join(f"127.0.0.1:{port}" for port in (folder / "redis/ports").read_text().split())
    shards = os.environ["STOA_PG_SHARDS"].split()
    return {**os.environ, "BENCH_GLOBAL": conninfo(os.environ["STOA_PG_GLOBAL"], "global"), "BENCH_REDIS": redis,
            "BENCH_SHARDS": ";".join(conninfo(port, f"shard{i}") for i, port in enumerate(shards)), "BENCH_NODE": "bench",
            "BENCH_CONNECTIONS": str(clients + 1000)}


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


def load(port, clients, rate, pids):
    processes = -(-clients // 18000)
    arguments = {"port": port, "dialect": "chat", "clients": clients, "channels": clients // 10, "publishers": 10, "json": 1,
                 "processes": processes, "steps": f"r{rate}", "warmup_ms": WARMUP_MS, "measure_ms": MEASURE_MS, "drain_ms": 10000,
                 "connect_ms": 180000, "pids": ",".join(map(str, pids))}
    done = subprocess.run([BUILD / "bench_load", *(f"{key}={value}" for key, value in arguments.items())],
                          capture_output=True, text=True, timeout=600)
    if done.stderr:
        print(done.stderr, end="", file=sys.stderr)
    if not done.stdout:
        sys.exit("bench_load said nothing")
    return json.loads(done.stdout)


def measure(port, clients, rate, server, ports):
    cpu, redis, began = cpu_seconds(), redis_totals(ports), time.monotonic()
    result = load(port, clients, rate, servers.children(server.pid))
    elapsed, now, totals = time.monotonic() - began, cpu_seconds(), redis_totals(ports)
    if not result["steps"]:
        sys.exit(f"{clients:,} clients did not get as far as talking: {json.dumps(result)[:500]}")
    step = result["steps"][0]
    sent = max(1, step["answered"])
    shares = ", ".join(f"{kind} {100 * (now[kind] - cpu[kind]) / elapsed:.0f} %" for kind in KINDS[:3])
    late = "" if step["complete"] else " †"
    reached = sent / (WARMUP_MS + MEASURE_MS) * 1000
    print(f"| {rate:,}{late} | {reached:,.0f} | {step['answer']['p50_us'] / 1000:.1f} | {step['answer']['p99_us'] / 1000:.1f} | "
          f"{step['delivery']['p99_us'] / 1000:.1f} | {shares} | {(totals['commands'] - redis['commands']) / sent:.1f} | "
          f"{(totals['bytes'] - redis['bytes']) / sent:,.0f} |", flush=True)


def main():
    clients = int(sys.argv[1]) if len(sys.argv) > 1 else 50000
    rates = [int(rate) for rate in sys.argv[2:]] or [500, 1000, 2000, 3000, 5000]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run(["bash", ROOT / "tests/servers/redis.sh", "cluster", folder / "redis"], check=True)
        ports = (folder / "redis/ports").read_text().split()
        server, port = start(folder, environment(folder, clients))
        try:
            print(f"{clients:,} clients, {len(servers.children(server.pid))} workers\n\n| messages/s asked | acknowledged/s | ack p50 ms | "
                  "ack p99 ms | delivery p99 ms | processors (whole run, connecting included) | Redis commands a message | "
                  "bytes |\n|---|---|---|---|---|---|---|---|")
            for rate in rates:
                measure(port, clients, rate, server, ports)
            print("\n†: not all was answered and delivered in time.")
        except SystemExit:
            print((folder / "stoa.log").read_text()[-2000:], file=sys.stderr)
            raise
        finally:
            server.terminate()
            server.wait(60)
            subprocess.run(["bash", ROOT / "tests/servers/redis.sh", "stop", folder / "redis"], check=True)


main()
