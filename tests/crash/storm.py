"""What happens to one worker of a walk: a handful of faults on both of its networks, and a deed at one of its calls or points.

All of it is drawn from the walk's seed; who works on what, and what must be true afterwards, is the walk's.
"""

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

import psutil
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from engine import crashpoints
from tests.beds.forks import Fork
from tests.crash.workers import pause
from tests.faults.network import CHANGING, Fault, FaultOf, Network

READ_SHARE = 1 / 8
"""How much more seldom a read has a fault than a call that changes something: there are many more of them."""
UNCERTAIN = (503, 10001, 65535)
"""Codes of Milvus after which a write may have been applied."""
POLL_SECONDS = 0.02

Say = Callable[[str], None]
Deed = Callable[[Fork], None]


@dataclass
class Strike:
    """A deed at the n-th call, and what happens to that call.

    Args:
        at: Its number, over both sides.
        changing: Whether only calls count that change something.
        fault: What happens to the call.
        deed: What is done.
    """

    at: int
    changing: bool
    fault: Fault | None
    deed: Callable[[], None]


class Storm:
    """The networks on both sides of the workers of one walk; calm between two workers.

    Args:
        seed: The walk's.
        say: Takes what happened.
    """

    def __init__(self, seed: int, say: Say) -> None:
        self._seed = seed
        self._say = say
        self._lock = threading.Lock()
        self._step = 0
        self._left = 0
        self._share = 0.0
        self._strike: Strike | None = None
        self._passed = 0
        self._sides: tuple[Network, ...] = ()

    def over(self, source: Network, target: Network) -> None:
        """Takes the networks that it rages over."""
        self._sides = source, target

    def begins(self, step: int, chance: random.Random) -> None:
        """Draws what the next worker meets."""
        with self._lock:
            self._step = step
            self._left = chance.choice([0, 1, 2, 4, 6])
            self._share = chance.choice([0.05, 0.15, 0.4])
        late = chance.choice([0.3, 1.0, 1.8, 2.4])
        for side in self._sides:
            side.after_seconds = late
        self._say(f"up to {self._left} faults, a share of {self._share}, late by {late} s")
        target = self._sides[1]
        if chance.random() < 0.2:
            target.refuse_larger(chance.choice([400, 900]))
            self._say(f"no write above {target.size_max} bytes")
        if chance.random() < 0.25:
            rpc = chance.choice(["Insert", "Insert", "Upsert", "Delete"])
            applied = chance.random() < 0.6
            target.answer(rpc, b"", _refusal(chance.choice(UNCERTAIN)), times=1, applied=applied)
            self._say(f"one {rpc} is refused, and {'' if applied else 'not '}applied")

    def strikes(self, strike: Strike) -> None:
        """From now on calls are counted; at the chosen one the deed is done."""
        with self._lock:
            self._passed, self._strike = 0, strike

    def ends(self) -> None:
        """No fault and no deed any more; what is late is on its way still."""
        with self._lock:
            self._left, self._strike = 0, None
        self._sides[1].refuse_larger(0)
        self._sides[1].answer_no_more()

    def has_passed(self) -> None:
        """As `ends`, and returns when what was late has arrived."""
        self.ends()
        for side in self._sides:
            side.arrived()

    def fault_of(self, side: str) -> FaultOf:
        """What the network of that side asks of every call."""

        def of(rpc: str, number: int) -> Fault | None:
            with self._lock:
                struck = self._struck(rpc)
                fault = None if struck else self._drawn(side, rpc, number)
            if struck is None:
                return fault
            self._say(f"at {rpc} of the {side}, which has {struck.fault}:")
            struck.deed()
            # What a source's late load or release does after its worker's end is not promised.
            return struck.fault if side == "target" and rpc.startswith(CHANGING) else None

        return of

    def _struck(self, rpc: str) -> Strike | None:
        strike = self._strike
        if strike is None or (strike.changing and not rpc.startswith(CHANGING)):
            return None
        self._passed += 1
        if self._passed < strike.at:
            return None
        self._strike = None
        return strike

    def _drawn(self, side: str, rpc: str, number: int) -> Fault | None:
        chance = random.Random(f"{self._seed} {self._step} {side} {rpc} {number}")
        share = self._share * (1 if rpc.startswith(CHANGING) else READ_SHARE)
        if self._left <= 0 or chance.random() >= share:
            return None
        fault = chance.choice(list(Fault))
        if (fault, rpc) == (Fault.TWICE, "Insert") or (fault, side) == (Fault.AFTER, "source"):
            return None  # not promised
        self._left -= 1
        self._say(f"{side} {rpc} {number} {fault}")
        return fault


def halted(worker: Fork, url: str, deed: Deed) -> None:
    """Waits until a worker has paused itself at its crash point, does the deed, and lets it go on; nothing if it ends before."""
    while worker.poll() is None:
        try:
            if psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED:
                break
        except psutil.NoSuchProcess:
            return
        threading.Event().wait(POLL_SECONDS)
    if worker.poll() is None:
        pause(worker.pid, url)  # another of its threads may hold the ledger's lock
        deed(worker)
        worker.send_signal(signal.SIGCONT)


def armed(at: int, *, to_kill: bool) -> dict[str, str]:
    """The environment of a worker that dies, or pauses, at its n-th crash point."""
    number = signal.SIGKILL if to_kill else signal.SIGSTOP
    return {crashpoints.CRASH_AT: str(at), crashpoints.CRASH_SIGNAL: number.name}


def _refusal(code: int) -> bytes:
    status = common_pb2.Status(code=code, error_code=1, reason="produce failed")
    return milvus_pb2.MutationResult(status=status).SerializeToString()
