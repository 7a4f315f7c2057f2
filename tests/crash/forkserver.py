"""Starts real workers without the two seconds of importing their libraries: one process imports, each worker is a fork of it.

`python -m tests.crash.forkserver` reads one JSON object a line from its standard input (`id`, `program`, `migration`,
`environment`, `log`) and answers with the process's `pid`, later with its `status` as `subprocess` counts it. The fork runs
`engine.worker.main` like `python -m engine.worker M-…`, or another of its `PROGRAMS`; nothing of the engine is replaced, and no
connection or thread exists before the fork.
"""

import gc
import json
import os
import select
import signal
import sys
import traceback
from typing import Any

import engine.verbs  # noqa: F401  # a worker imports it late; each fork would pay for it again
from engine import worker
from tests.crash import planning, undoing

PROGRAMS = {"worker": worker.main, "undo": undoing.main, "plan": planning.main}


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
    code = 70
    try:
        _become(order)
        code = PROGRAMS[order["program"]]()
    except BaseException:  # noqa: BLE001  # the fork's outermost frame: nothing may return into the server's loop
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _become(order: dict[str, Any]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number, place in enumerate((nothing, nothing, log)):
        os.dup2(place, number)
    os.environ.update(order["environment"])
    sys.argv = [order["program"], order["migration"]]


if __name__ == "__main__":
    main()
