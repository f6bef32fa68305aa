# SPDX-License-Identifier: Apache-2.0
"""The contenders: how each starts on a free port, and which of its processes are measured."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("BENCH_BUILD", ROOT / "build"))
START_S, STOP_S = 30, 10
CENTRIFUGO = BUILD / "peers/centrifugo"
NCHAN_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

# For each contender: the dialect of bench_load, and the request's path if it is not the dialect's default.
DIALECTS = {
    "limit": {"dialect": "socketio"},
    "stoa": {"dialect": "socketio"},
    "stoa, no window": {"dialect": "socketio"},
    "stoa, chat": {"dialect": "socketio"},
    "stoa /ws": {"dialect": "json"},
    "socket.io": {"dialect": "socketio"},
    "ws": {"dialect": "plain"},
    "nchan": {"dialect": "plain", "path": "/room/%u"},
    "centrifugo": {"dialect": "centrifugo"},
}


def available(name):
    """Why the contender cannot start here, or None."""
    if name == "nchan" and not (NCHAN_MODULE.exists() and shutil.which("nginx")):
        return "Debian's nginx and libnginx-mod-nchan are not installed"
    if name == "centrifugo" and not CENTRIFUGO.exists():
        return "Centrifugo is not built (it needs Go)"
    if name in ("socket.io", "ws") and not (ROOT / "bench/peers/node_modules").exists():
        return "npm ci in bench/peers has not been run"
    return None


def cores():
    """(the server's core, the load's core); None: do not pin, because there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)


def pin(core):
    return ["taskset", "-c", str(core)] if core is not None else []


def children(pid):
    return [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


class Server:
    """One run of a contender; leaving the `with` block stops it."""

    def __init__(self, name, folder, core=None, certificate=None, environment=()):
        self.name, self.folder = name, pathlib.Path(folder)
        self.log = self.folder / f"{re.sub('[^a-z]+', '-', name)}.log"
        environment = {**os.environ, "BENCH_STORE": str(self.folder / "stoa.db"), **dict(environment)}
        if name == "stoa, no window":
            environment["BENCH_WINDOW_MS"] = "0"
        if name == "stoa, chat":
            environment["BENCH_CHAT"] = "1"
        if certificate:
            environment["BENCH_CERTIFICATE"] = str(certificate)
        if name == "centrifugo":
            environment["GOMAXPROCS"] = "1"  # one worker, like the others
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(pin(core) + self._command(), stdout=log, stderr=log, env=environment,
                                            cwd=ROOT, start_new_session=True)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _command(self):
        if self.name == "limit":
            return [BUILD / "bench_limit"]
        if self.name == "stoa, attacked":
            return [BUILD / "stoa", "serve", "--config", ROOT / "bench/attack.lua"]
        if self.name.startswith("stoa"):
            return [BUILD / "stoa", "serve", "--config", ROOT / "bench/stoa.lua"]
        if self.name == "nchan":
            return self._nchan()
        if self.name == "centrifugo":
            return [CENTRIFUGO, "--config", self._settings("centrifugo.json", {"PORT": self._free_port()})]
        return ["node", ROOT / "bench/peers" / f"{self.name.replace('.', '')}.mjs"]

    def _free_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        return self.port

    def _settings(self, name, values):
        """A copy of that file in bench/peers, with each word of `values` replaced by its value."""
        text = (ROOT / "bench/peers" / name).read_text()
        for word, value in values.items():
            text = text.replace(word, str(value))
        (self.folder / name).write_text(text)
        return self.folder / name

    def _nchan(self):
        values = {"FOLDER": self.folder, "PORT": self._free_port(), "MODULE": NCHAN_MODULE}
        return ["nginx", "-e", "stderr", "-p", self.folder, "-c", self._settings("nchan.conf", values)]

    def _wait_until_ready(self):
        end = time.monotonic() + START_S
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def _ready(self):
        text, pid = self.log.read_text(errors="replace"), self.process.pid
        if self.name in ("nchan", "centrifugo"):
            self.pids = [pid, *children(pid)]
            return (self.name == "centrifugo" or len(self.pids) > 1) and self._answers()
        found = re.search(r"^listening (\d+)$|server\.ready listen=\S+:(\d+)", text, re.M)
        if not found:
            return False
        self.port = int(found[1] or found[2])
        self.pids = [pid, *children(pid)]
        return True

    def _answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            for pid in [*children(self.process.pid), self.process.pid]:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def new_certificate(folder):
    """A PEM file with a P-256 key and its self-signed certificate."""
    path = pathlib.Path(folder) / "certificate.pem"
    parts = [path.with_suffix(".key"), path.with_suffix(".crt")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", parts[0], "-out", parts[1]], check=True, capture_output=True)
    path.write_text("".join(part.read_text() for part in parts))
    path.chmod(0o600)
    return path
