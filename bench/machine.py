# SPDX-License-Identifier: Apache-2.0
"""Describes what the figures depend on: the machine and the versions."""

import os
import pathlib
import platform
import re
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def text_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, cwd=ROOT)
        return (done.stdout + done.stderr).strip()
    except OSError:
        return ""


def package(name):
    return text_of("dpkg-query", "-W", "-f", "${Version}", name) or "–"


def module(name):
    path = ROOT / f"bench/peers/node_modules/{name}/package.json"
    found = re.search(r'"version": "([^"]+)"', path.read_text()) if path.exists() else None
    return found[1] if found else "–"


def sync_ms(folder):
    """How long this disk takes to sync four KiB, the median of 50. No acknowledgement can be faster."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(50):
            file.write(bytes(4096))
            file.flush()
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - start) * 1000)
    return statistics.median(took)


def describe(build):
    """The machine, the store's disk below `build`, and the versions, as pairs of texts."""
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return {
        "processor": f"{processor[1] if processor else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{int(memory[1]) / 1e6:.0f} GB",
        "kernel": platform.release(),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "store's disk": f"{text_of('stat', '-f', '-c', '%T', str(build))}, {sync_ms(build):.2f} ms a sync",
        "stoa": text_of("git", "describe", "--always", "--dirty") or "–",
        "libwebsockets": package("libwebsockets-dev"),
        "libevent": package("libevent-dev"),
        "LuaJIT": package("libluajit-5.1-dev"),
        "SQLite": package("libsqlite3-dev"),
        "OpenSSL": package("libssl-dev"),
        "Node.js": text_of("node", "--version").lstrip("v"),
        "socket.io": module("socket.io"),
        "ws": module("ws"),
        "nginx": package("nginx"),
        "nchan": package("libnginx-mod-nchan"),
    }
