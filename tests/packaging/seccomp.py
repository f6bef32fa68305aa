# SPDX-License-Identifier: Apache-2.0
"""A unit's SystemCallFilter and RestrictAddressFamilies, made with libseccomp as systemd makes them."""

import ctypes
import errno
import socket
import subprocess

ALLOW, ERRNO, EQUAL = 0x7FFF0000, 0x00050000, 4


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def calls_of(name):
    """The system calls of a name or a @set."""
    if not name.startswith("@"):
        return {name}
    listing = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True).stdout
    members = [line.strip() for line in listing.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*map(calls_of, members))


def make(filters, families, refusal="EPERM"):
    """Returns a function that applies the filter to the calling process, permanently."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    allowed = set()
    for rule in filters:  # the first one allows, those with ~ forbid
        calls = set().union(*map(calls_of, rule.lstrip("~").split()))
        allowed = allowed - calls if rule.startswith("~") else allowed | calls
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(ERRNO | getattr(errno, refusal))))
    for call in allowed - {"socket"}:
        number = library.seccomp_syscall_resolve_name(call.encode())
        library.seccomp_rule_add_array(context, ctypes.c_uint32(ALLOW), number, 0, None)
    number = library.seccomp_syscall_resolve_name(b"socket")
    for family in families.split():
        compare = Compare(0, EQUAL, getattr(socket, family), 0)
        library.seccomp_rule_add_array(context, ctypes.c_uint32(ALLOW), number, 1, ctypes.byref(compare))

    def load():
        if library.seccomp_load(context) != 0:
            raise OSError("seccomp_load")

    return load
