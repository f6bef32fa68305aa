# SPDX-License-Identifier: Apache-2.0
"""idle.py [CHANNELS]: what an idle fleet costs Redis. `./dev bench fleet idle` runs it.

Eight workers; each has a client in all CHANNELS (10,000), and nobody sends anything. It prints what Redis was asked per second, over
twenty seconds: commands by name, and bytes. Each worker is a node with its own SQLite file, so that only Redis is measured. To Redis, it
makes no difference whether workers share a machine."""

import base64
import concurrent.futures
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

WORKERS, SETTLE_S, MEASURE_S, AT_ONCE, EACH, ATTEMPTS = 8, 25, 20, 50, 1000, 60  # EACH: channels per client


class Client:
    """A Socket.IO client that sends only what the protocol needs."""

    def __init__(self, port, user):
        self.link = socket.create_connection(("127.0.0.1", port), 30)
        self.link.sendall(b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                          b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                          + base64.b64encode(os.urandom(16)) + b"\r\n\r\n")
        self.bytes = self.link.makefile("rb")
        while self.bytes.readline() not in (b"\r\n", b""):
            pass
        self._next()
        self._say("40" + json.dumps({"user": user}))
        assert self._next().startswith(b"40")
        self.over = threading.Event()

    def _say(self, text):
        body, head = text.encode(), bytearray([0x81])
        head += bytes([0x80 | len(body)]) if len(body) < 126 else bytes([0xFE, len(body) >> 8, len(body) & 255])
        self.link.sendall(bytes(head) + bytes(4) + body)

    def _next(self):
        """The next message that is not a ping."""
        while True:
            head = self.bytes.read(2)
            if len(head) < 2:
                raise ConnectionError("the server has closed the connection")
            length = head[1] & 127
            if length > 125:
                length = int.from_bytes(self.bytes.read(2 if length == 126 else 8), "big")
            body = self.bytes.read(length)
            if head[0] & 15 == 1 and body != b"2":
                return body
            if body == b"2":
                self._say("3")

    def follow(self, first, last):
        for _ in range(ATTEMPTS):
            self._say("420" + json.dumps(["follow", first, last]))
            while not (answer := self._next()).startswith(b"430"):
                pass
            if b'"ok":true' in answer:
                return
            time.sleep(1)
        raise RuntimeError(f"a client could not follow its channels: {answer}")

    def rest(self):
        """Answers pings until the end."""
        def answer_pings():
            try:
                while not self.over.is_set():
                    self._next()
            except (OSError, ValueError):
                pass
        threading.Thread(target=answer_pings, daemon=True).start()


def redis_stats(port):
    text = subprocess.run(["redis-cli", "-p", port, "info", "everything"], capture_output=True, text=True, check=True, timeout=10).stdout
    calls = {name: int(count) for name, count in re.findall(r"cmdstat_(\S+?):calls=(\d+)", text)}
    number = lambda key: int(re.search(rf"^{key}:(\d+)", text, re.M)[1])
    cpu = sum(float(re.search(rf"^used_cpu_{kind}:([\d.]+)", text, re.M)[1]) for kind in ("sys", "user"))
    return calls, number("total_net_input_bytes"), number("total_net_output_bytes"), cpu


def fill(client, begin, channels):
    for first in range(begin, min(begin + EACH, channels), AT_ONCE):
        client.follow(first, min(first + AT_ONCE, channels) - 1)
    client.rest()


def start(folder, node, redis_port):
    variables = {**os.environ, "BENCH_STORE": str(folder / f"{node}.db"), "BENCH_REDIS": f"127.0.0.1:{redis_port}", "BENCH_NODE": f"idle{node}"}
    log, config = folder / f"{node}.log", servers.ROOT / "bench/idle.lua"
    server = subprocess.Popen([servers.BUILD / "stoa", "serve", "--config", config], env=variables, stderr=log.open("wb"))
    end = time.monotonic() + 60
    while not (found := re.search(r"server\.ready listen=\S+:(\d+)", log.read_text())):
        if server.poll() is not None or time.monotonic() > end:
            sys.exit(f"a node did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)
    return server, int(found[1])


def measure(folder, channels):
    port = (folder / "redis/ports").read_text().strip()
    nodes = []
    try:
        ports = []
        for node in range(WORKERS):
            server, at = start(folder, node, port)
            nodes.append(server)
            ports.append(at)
        clients = [(Client(at, f"user-{at}-{first}"), first) for at in ports for first in range(0, channels, EACH)]
        with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
            list(pool.map(lambda pair: fill(*pair, channels), clients))
        time.sleep(SETTLE_S)
        before, began = redis_stats(port), time.monotonic()
        time.sleep(MEASURE_S)
        after, seconds = redis_stats(port), time.monotonic() - began
    finally:
        for server in nodes:
            server.terminate()
        for server in nodes:
            server.wait(60)
    calls = {name: (count - before[0].get(name, 0)) / seconds for name, count in after[0].items()}
    within = sum(rate for name, rate in calls.items() if name not in ("info", "publish", "evalsha", "eval", "ping", "hmget", "spublish"))
    told = [f"{name} {rate:,.1f}" for name, rate in sorted(calls.items(), key=lambda item: -item[1]) if rate >= 0.1]
    print(f"{channels:,} quiet channels on {WORKERS} workers, a second: {sum(calls.values()) - within:,.0f} commands asked and "
          f"{within:,.0f} within scripts, {(after[1] - before[1]) / seconds:,.0f} bytes in, {(after[2] - before[2]) / seconds:,.0f} bytes out, "
          f"{100 * (after[3] - before[3]) / seconds:.1f} % of a processor for Redis\n({', '.join(told)})")


def main():
    root = servers.ROOT
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        subprocess.run(["bash", root / "tests/servers/redis.sh", "standalone", folder / "redis"], check=True)
        try:
            measure(folder, int(sys.argv[1]) if len(sys.argv) > 1 else 10000)
        finally:
            subprocess.run(["bash", root / "tests/servers/redis.sh", "stop", folder / "redis"], check=True)


main()
