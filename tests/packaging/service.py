# SPDX-License-Identifier: Apache-2.0
"""service.py ROOT UNIT: runs a unit's ExecStart in ROOT like systemd, with its user, folders, limits and system calls.

Prints "main PID", then each state that the main process notifies, and ends with that process's status.
"""

import ctypes
import os
import pathlib
import resource
import select
import signal
import socket
import struct
import subprocess
import sys

import seccomp

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN = 1, 38, 65, 1
NOTIFY_SOCKET = "/run/notify"


def read_unit(path):
    """The settings; SystemCallFilter as a list."""
    lines = (line.strip() for line in path.read_text().splitlines())
    settings = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    return dict(settings) | {"SystemCallFilter": [value for name, value in settings if name == "SystemCallFilter"]}


def find_user(root, name):
    for line in (root / "etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2]), int(fields[3])
    sys.exit(f"service.py: no user {name}")


def make_folder(path, mode, uid, gid):
    path.mkdir(exist_ok=True)
    path.chmod(int(mode, 8))
    os.chown(path, uid, gid)


def read_environment(root, setting):
    variables = {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": NOTIFY_SOCKET}
    path = root / setting.lstrip("-/")
    if path.exists() or not setting.startswith("-"):
        variables.update(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    return variables


def confine(root, unit, uid, gid, filter_calls):
    """Runs in the child, before ExecStart."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    os.chroot(root)
    os.chdir("/")
    os.umask(int(unit["UMask"], 8))
    for kind, name in ((resource.RLIMIT_NOFILE, "LimitNOFILE"), (resource.RLIMIT_CORE, "LimitCORE")):
        hard = resource.getrlimit(kind)[1]  # in a container, not even root can raise it
        limit = int(unit[name]) if hard == resource.RLIM_INFINITY else min(int(unit[name]), hard)
        resource.setrlimit(kind, (limit, limit))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if unit["NoNewPrivileges"] == "yes":
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if unit["MemoryDenyWriteExecute"] == "yes" and prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        os.write(2, b"service.py: this kernel has no MemoryDenyWriteExecute (before 6.3)\n")
    filter_calls()


def listen(root):
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    path = root / NOTIFY_SOCKET.lstrip("/")
    path.unlink(missing_ok=True)
    notices.bind(str(path))
    path.chmod(0o666)
    notices.setblocking(False)
    return notices


def hear(notices, main_pid):
    """NotifyAccess=main: messages of other processes do not count."""
    while True:
        try:
            text, ancillary, _, _ = notices.recvmsg(4096, 64)
        except BlockingIOError:
            return
        if struct.unpack("3i", ancillary[0][2][:12])[0] == main_pid:
            print(text.decode().split("\n")[0], flush=True)


def main(root, unit_path):
    unit = read_unit(unit_path)
    uid, gid = find_user(root, unit["User"])
    make_folder(root / "run" / unit["RuntimeDirectory"], unit["RuntimeDirectoryMode"], uid, gid)
    make_folder(root / "var/lib" / unit["StateDirectory"], unit["StateDirectoryMode"], uid, gid)
    notices = listen(root)
    filter_calls = seccomp.make(unit["SystemCallFilter"], unit["RestrictAddressFamilies"], unit["SystemCallErrorNumber"])
    process = subprocess.Popen(unit["ExecStart"].split(), env=read_environment(root, unit["EnvironmentFile"]),
                               preexec_fn=lambda: confine(root, unit, uid, gid, filter_calls))
    print("main", process.pid, flush=True)
    poll, ended = select.poll(), os.pidfd_open(process.pid)
    poll.register(notices, select.POLLIN)
    poll.register(ended, select.POLLIN)
    while ended not in dict(poll.poll()):
        hear(notices, process.pid)
    hear(notices, process.pid)
    sys.exit(process.wait())


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
