"""Runs Python programs without the seconds of importing their libraries: one process imports, each program is a fork of it.

`python -m tests.beds.forkserver` reads one JSON object a line from its standard input (`id`, `module`, `arguments`, `environment`,
`log`, `stdin`, `stdout`) and answers with the process's `pid`, later with its `status` as `subprocess` counts it. The fork runs
`main()` of the module, as `python -m` would; nothing of it is replaced, and no connection or thread exists before the fork.
"""

import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from typing import Any

import milvus_lite.adapter.grpc.servicer  # these four are here to be imported before any fork
import milvus_lite.cmdline  # noqa: F401

import engine.verbs
import engine.worker  # noqa: F401


def main() -> None:
    """Serves until its standard input ends, then kills what still runs."""
    awake, wake = os.pipe()
    for end in (awake, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}
    orders = sys.stdin.fileno()
    gc.freeze()  # a fork's collector would copy every page that it looks at
    waiting = b""
    while True:
        ready, _, _ = select.select([orders, awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
            _tell_ended(running)
        if orders in ready:
            read = os.read(orders, 65_536)
            if not read:
                break
            *lines, waiting = (waiting + read).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = _started(order)
                running[pid] = order["id"]
                _say(id=order["id"], pid=pid)
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _tell_ended(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        _say(id=running.pop(pid), status=os.waitstatus_to_exitcode(status))


def _say(**answer: int) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _started(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _become(order)
        code = importlib.import_module(order["module"]).main() or 0
    except BaseException:  # noqa: BLE001  # the fork's outermost frame: nothing may return into the server's loop
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _become(order: dict[str, Any]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(order["stdin"], os.O_RDONLY), 0)
    os.dup2(os.open(order["stdout"], os.O_WRONLY | os.O_APPEND), 1)
    os.dup2(log, 2)
    os.environ.update(order["environment"])
    sys.argv = [order["module"], *order["arguments"]]


if __name__ == "__main__":
    main()
