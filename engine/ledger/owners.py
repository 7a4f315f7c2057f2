"""Who holds a lease: names of processes, and whether such a process is certainly dead.

A name is `host:pid:boot:random`, where `boot` is `machine.start`: on Linux the boot id and the process-id namespace, then the
process's start in clock ticks since boot, so that a process id that was given out again is not taken for the old owner. "Dead" is
only said when it is certain; whoever is in doubt waits for the lease to expire. It never signals a process (signal 0 aside).
"""

import os
import secrets
import socket
import uuid
from pathlib import Path

_PROC = Path("/proc")
_GONE = frozenset("ZX")
"""States of `/proc/<pid>/stat` in which a process runs no more: zombie (killed, not yet waited for) and dead."""
_PID_MAX = 2**31 - 1


def new_owner() -> str:
    """A name for this process; each call gives another one."""
    pid = os.getpid()
    boot = f"{_machine()}.{_start(pid) or ''}"
    return f"{_host()}:{pid}:{boot}:{secrets.token_hex(4)}"


def owner_is_dead(owner: str) -> bool:
    """Whether the process of that name ran on this machine and runs no more; False when that is not certain."""
    parts = owner.split(":")
    if len(parts) != 4 or not parts[1].isdecimal():  # noqa: PLR2004  # host, pid, boot, random
        return False
    host, pid, (machine, _, start) = parts[0], int(parts[1]), parts[2].partition(".")
    if host != _host() or machine != _machine() or not 0 < pid <= _PID_MAX:
        return False
    return not _runs(pid, start)


def describe(owner: str) -> str:
    """The owner in words: "process 4711 on build-3"."""
    host, _, rest = owner.partition(":")
    return f"process {rest.partition(':')[0]} on {host}" if rest else owner


def _runs(pid: int, start: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Another user's process: /proc may hide it, so only another start proves that it is not the owner.
        return _start(pid) in {start, None}
    return not start or _start(pid) == start


def _start(pid: int) -> str | None:
    """Ticks since boot at which a process started, "" where the system does not say, None if it runs no more."""
    if not (_PROC / "self/stat").exists():
        return ""
    try:
        # The second field is the program's name in parentheses and may hold anything.
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in _GONE else fields[19]


def _machine() -> str:
    """What tells this machine, this boot and this process-id namespace from others with the same host name."""
    boot = _PROC / "sys/kernel/random/boot_id"
    if not boot.exists():
        return f"{uuid.getnode():x}"
    namespace = (_PROC / "self/ns/pid").readlink().name
    number = "".join(digit for digit in namespace if digit.isdecimal())
    return f"{boot.read_text().strip()}-{number}"


def _host() -> str:
    return socket.gethostname().replace(":", "_")
