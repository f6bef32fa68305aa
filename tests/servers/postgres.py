# SPDX-License-Identifier: Apache-2.0
"""postgres.py run [--one] [--shards N] [--replicas N] [--global-replicas N] [--bouncer] -- COMMAND…
   postgres.py do FOLDER ACTION NAME [ARGUMENT]

Real PostgreSQL servers for a test, in their own folder and on their own ports, until the command ends: a global database,
N shards (shard0 …), streaming standbys of shard0 (r1 …) and of the global one (g1 …), PgBouncer in front. --one: all databases on one server.
Their settings are those of packaging/postgres. The command finds in its environment:
  STOA_SOURCE, STOA_PG_FOLDER  for `do`
  STOA_PG_BIN      folder of PostgreSQL's programs
  STOA_PG_GLOBAL   port of the global database (database "global")
  STOA_PG_SHARDS   ports of the shards (databases "shard0" …), STOA_PG_REPLICAS and STOA_PG_GLOBAL_REPLICAS of the standbys,
  STOA_PG_BOUNCER  of PgBouncer
Actions on a server by NAME (global, shard0, r1, bouncer): kill, start, stop (pause: SIGSTOP), go (SIGCONT), promote, demote,
receiver-stop, receiver-go (of a standby), sender-stop, sender-go (of a primary), sql TEXT (its first database);
backups: copy, copy-back (of the data directory; the server is stopped meanwhile), snapshot (a copy of what is on the disk
while it runs), dump, load (of its first database)."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name),
          default=pathlib.Path("/usr/lib/postgresql"))
MEMORY = pathlib.Path("/dev/shm")  # here a flush, which these servers do as in production, costs almost nothing
DEADLINE_S = 30


def free_ports(count):
    """Free ports below the ephemeral ones, so that a stopped server can get its port again."""
    ports = []
    for port in random.sample(range(31200, 32700), 1500):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise SystemExit("postgres.py: no free ports")


def run(*command, **options):
    """Runs the command as the user postgres, because root may not start a server. It waits."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    return subprocess.run([*prefix, *map(str, command)], check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          stderr=subprocess.STDOUT, text=True, timeout=60, cwd="/tmp", **options).stdout


def wait_for(what, condition):
    until = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"postgres.py: {what}: not within {DEADLINE_S} s")
        time.sleep(0.02)  # between two looks


def lives(pid):
    """Does the process run? A zombie does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Servers:
    """The servers of a folder; its servers.json lists them."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.list = self.folder / "servers.json"
        self.servers = json.loads(self.list.read_text()) if self.list.exists() else {}

    def save(self):
        self.list.write_text(json.dumps(self.servers))

    def pid(self, name):
        file = self.folder / ("bouncer.pid" if name == "bouncer" else f"{name}/postmaster.pid")
        return int(file.read_text().split()[0]) if file.exists() else None

    def reach(self, name):
        return "-h", "127.0.0.1", "-p", self.servers[name]["port"], "-U", "postgres"

    def database(self, name):
        return self.servers[name]["databases"][0]

    def sql(self, name, text, database=None):
        return run(BIN / "psql", *self.reach(name), "-Atq", "-v", "ON_ERROR_STOP=1", "-c", text,
                   database or self.database(name)).strip()

    def create(self, name, port, databases):
        data = self.folder / name
        template = self.folder / "template"
        if not template.exists():
            run(BIN / "initdb", "-D", template, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions", "-E",
                "UTF8", "--locale=C")
            with open(template / "postgresql.conf", "a") as conf:
                conf.write(f"include '{self.folder}/fragment.conf'\nlisten_addresses = '127.0.0.1'\n"
                           f"unix_socket_directories = '{self.folder}'\nshared_buffers = 32MB\n"
                           "wal_keep_size = 256MB\n")
            with open(template / "pg_hba.conf", "a") as hba:
                hba.write("host replication all 127.0.0.1/32 trust\n")
        run("cp", "-r", template, data)
        self.servers[name] = {"port": port, "databases": databases}

    def start(self, name):
        if name == "bouncer":
            (self.folder / "bouncer.pid").unlink(missing_ok=True)  # it refuses to start while the file of a killed one exists
            run("/usr/sbin/pgbouncer", "-q", "-d", self.folder / "bouncer.ini")
        else:
            wait_for(f"the start of {name}", lambda: self.started(name))

    def started(self, name):
        """False: not yet. A killed server keeps its lock file, memory and port until its parent has waited for it."""
        try:
            run(BIN / "pg_ctl", "-D", self.folder / name, "-o", f"-p {self.servers[name]['port']}", "-l",
                self.folder / f"{name}.log", "-w", "start")
        except subprocess.CalledProcessError:
            end, pid = (self.folder / f"{name}.log").read_text()[-2000:], self.pid(name)
            is_left = any(words in end for words in ("already exists", "still in use", "already in use"))
            if not is_left or (pid and lives(pid)):
                raise
            return False
        return True

    def standby(self, name, port, of):
        primary = self.servers[of]["port"]
        run(BIN / "pg_basebackup", "-h", "127.0.0.1", "-p", primary, "-U", "postgres", "-D", self.folder / name, "-R",
            "-X", "stream", "-c", "fast", "--no-sync")
        auto = self.folder / name / "postgresql.auto.conf"
        auto.write_text(f"primary_conninfo = 'host=127.0.0.1 port={primary} user=postgres application_name={name}'\n")
        self.servers[name] = {"port": port, "databases": self.servers[of]["databases"]}
        self.start(name)

    def bouncer(self, port):
        text = (ROOT / "packaging/postgres/pgbouncer.ini").read_text()
        head, rest = text.split("[pgbouncer]")
        lines = ["[databases]"]
        for server in self.servers.values():
            lines += [f"{database} = host=127.0.0.1 port={server['port']} dbname={database} user=postgres"
                      for database in server["databases"] if server["port"] and f"{database} = " not in "\n".join(lines)]
        for key, value in {"listen_port": port, "auth_type": "any", "auth_file": "", "default_pool_size": 10,
                           "min_pool_size": 0, "reserve_pool_size": 5, "log_connections": 0,
                           "log_disconnections": 0}.items():
            rest = "\n".join(f"{key} = {value}" if line.startswith(f"{key} =") else line for line in rest.splitlines())
        rest += f"\nlogfile = {self.folder}/bouncer.log\npidfile = {self.folder}/bouncer.pid\n"
        (self.folder / "bouncer.ini").write_text("\n".join(lines) + "\n[pgbouncer]" + rest)
        self.servers["bouncer"] = {"port": port, "databases": []}
        self.start("bouncer")

    def children(self, pid, title):
        out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], stdout=subprocess.PIPE, text=True).stdout
        return [int(line.split()[0]) for line in out.splitlines() if title in line]

    def act(self, action, name, argument):
        pid = self.pid(name)
        if action == "kill":
            processes = [pid, *self.children(pid, "")]
            for one in processes:
                os.kill(one, signal.SIGKILL)
            wait_for("the end of its processes", lambda: not any(map(lives, processes)))
        elif action in ("stop", "go"):
            for one in [pid, *self.children(pid, "")]:
                os.kill(one, signal.SIGSTOP if action == "stop" else signal.SIGCONT)
        elif action.endswith(("-stop", "-go")):
            process, what = action.split("-")
            found = self.children(pid, f"wal{process}")
            if not found:
                sys.exit(f"postgres.py: {name} has no wal{process}")
            for one in found:
                os.kill(one, signal.SIGSTOP if what == "stop" else signal.SIGCONT)
        elif action == "demote":
            run("touch", self.folder / name / "standby.signal")
            run(BIN / "pg_ctl", "-D", self.folder / name, "-m", "fast", "-w", "stop")
            self.start(name)
        elif action == "promote":
            self.sql(name, "SELECT pg_promote(true)")
        elif action == "start":
            self.start(name)
        elif action in ("copy", "copy-back"):
            data, backup = self.folder / name, self.folder / f"{name}.copy"
            run(BIN / "pg_ctl", "-D", data, "-m", "fast", "-w", "stop")
            source, target = (data, backup) if action == "copy" else (backup, data)
            run("rm", "-rf", target)
            run("cp", "-a", source, target)
            self.start(name)
        elif action == "snapshot":
            self.act("stop", name, None)
            run("rm", "-rf", self.folder / f"{name}.copy")
            run("cp", "-a", self.folder / name, self.folder / f"{name}.copy")
            self.act("go", name, None)
        elif action == "dump":
            run(BIN / "pg_dump", *self.reach(name), "-Fc", "-f", self.folder / f"{name}.dump", self.database(name))
        elif action == "load":
            self.sql(name, f"DROP DATABASE {self.database(name)} WITH (FORCE)", "postgres")
            self.sql(name, f"CREATE DATABASE {self.database(name)}", "postgres")
            run(BIN / "pg_restore", *self.reach(name), "-d", self.database(name), self.folder / f"{name}.dump")
        elif action == "sql":
            print(self.sql(name, argument))
        else:
            sys.exit(f"postgres.py: {action}: no such action")

    def end(self):
        """Ends them by the pids in their files, and kills those that do not end."""
        pids = [pid for pid in map(self.pid, self.servers) if pid]
        for pid in pids:
            for one in [*self.children(pid, ""), pid]:
                try:
                    os.kill(one, signal.SIGCONT)
                except ProcessLookupError:
                    pass
        for name in self.servers:
            pid = self.pid(name)
            try:
                if pid:
                    os.kill(pid, signal.SIGTERM if name == "bouncer" else signal.SIGQUIT)
            except ProcessLookupError:
                pass
        for pid in pids:
            wait_for(f"the end of {pid}", lambda: not lives(pid))


def set_up(servers, options):
    names = [f"shard{i}" for i in range(options.shards)]
    standbys = [(f"r{i + 1}", "global" if options.one else names[0]) for i in range(options.replicas)]
    standbys += [(f"g{i + 1}", "global") for i in range(options.global_replicas)]
    ports = free_ports(1 + len(names) + len(standbys) + 1)
    (servers.folder / "fragment.conf").write_text((ROOT / "packaging/postgres/postgresql.conf").read_text())
    if options.one:
        servers.create("global", ports[0], ["global", *names])
    else:
        servers.create("global", ports[0], ["global"])
        for name, port in zip(names, ports[1:]):
            servers.create(name, port, [name])

    def begin(name):
        servers.start(name)
        for database in servers.servers[name]["databases"]:
            servers.sql(name, f"CREATE DATABASE {database}", "postgres")

    with concurrent.futures.ThreadPoolExecutor() as threads:
        list(threads.map(begin, list(servers.servers)))
    for (name, of), port in zip(standbys, ports[1 + len(names):]):
        servers.standby(name, port, of)
    if options.bouncer:
        servers.bouncer(ports[-1])
    servers.save()
    count = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    for primary in {of for _, of in standbys}:
        due = str(sum(of == primary for _, of in standbys))
        wait_for("replication", lambda primary=primary, due=due: servers.sql(primary, count) == due)
    port = lambda name: servers.servers[name]["port"]
    listed = lambda letter: " ".join(str(port(name)) for name, _ in standbys if name[0] == letter)
    return {"STOA_SOURCE": ROOT, "STOA_PG_FOLDER": servers.folder, "STOA_PG_BIN": BIN, "STOA_PG_GLOBAL": port("global"),
            "STOA_PG_SHARDS": " ".join(str(port("global" if options.one else name)) for name in names),
            "STOA_PG_REPLICAS": listed("r"), "STOA_PG_GLOBAL_REPLICAS": listed("g"),
            "STOA_PG_BOUNCER": ports[-1] if options.bouncer else ""}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["run"])
    parser.add_argument("--one", action="store_true")
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=0)
    parser.add_argument("--global-replicas", type=int, default=0)
    parser.add_argument("--bouncer", action="store_true")
    if sys.argv[1:2] == ["do"]:
        try:
            Servers(sys.argv[2]).act(sys.argv[3], sys.argv[4], sys.argv[5] if len(sys.argv) > 5 else None)
        except subprocess.CalledProcessError as error:
            sys.exit(f"postgres.py: {' '.join(error.cmd)}: {error.stdout}")
        return
    split = sys.argv.index("--")
    options, command = parser.parse_args(sys.argv[1:split]), sys.argv[split + 1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="stoa-pg-", dir=MEMORY if MEMORY.is_dir() and "TMPDIR" not in os.environ else None)
    os.chmod(folder, 0o755)
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    servers = Servers(folder)
    try:
        variables = {name: str(value) for name, value in set_up(servers, options).items()}
        status = subprocess.run(command, env={**os.environ, **variables}).returncode
    except subprocess.CalledProcessError as error:
        sys.exit(f"postgres.py: {' '.join(error.cmd)}: {error.stdout}")
    finally:
        servers.end()
        shutil.rmtree(folder)
    sys.exit(status)


main()
