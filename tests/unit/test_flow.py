"""The throttle, the number of chunks at once, the size of requests: each by itself on a clock of the test, then together."""

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import flow as flows
from engine.errors import ServiceUnavailable, Throttled
from engine.flow import (
    MEGABYTE,
    REQUEST_BYTES_MAX,
    REQUEST_BYTES_MIN,
    Bucket,
    Flow,
    Pace,
    Sizes,
    Window,
)
from engine.model import Throttle

TICK_SECONDS = 0.25
THREADS = 4
LOOKS = 3
"""How often a thread asks for the time before it has its turn, if it need not wait: twice; who asks once more was held."""
WAIT_SECONDS = 30


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time that was set."""
        return self.now


class Ticking(Clock):
    """Seconds that go on whenever they are asked for: whoever waits need not wait for a test."""

    def __call__(self) -> float:
        """A tick later than before."""
        self.now += TICK_SECONDS
        return self.now


class Crew:
    """Threads that take turn after turn at a pace, and end each when the test lets them.

    As the pace's clock it knows of each thread whether it looked and had to wait.
    """

    def __init__(self) -> None:
        self.pace = Pace(threading.Event(), THREADS, self)
        self._over = False
        self._go = threading.Semaphore(0)
        self._changed = threading.Condition()
        self._inside: set[int] = set()
        self._looks: Counter[int] = Counter()
        self._ended = 0
        self._threads = [threading.Thread(target=self._work) for _ in range(THREADS)]

    def __call__(self) -> float:
        """The time, which stands still."""
        with self._changed:
            self._looks[threading.get_ident()] += 1
            self._changed.notify_all()
        return 1_000.0

    def start(self) -> int:
        """Starts all threads; returns how many have a turn while the others must wait."""
        for thread in self._threads:
            thread.start()
        return self._settled(0)

    def end_one(self) -> int:
        """Lets one turn end well; returns how many have one after that, while the others must wait."""
        wanted = self._ended + 1
        self._go.release()
        return self._settled(wanted)

    def end(self) -> None:
        """Ends all threads."""
        self._over = True
        self._go.release(2 * THREADS)
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()

    def _settled(self, ended: int) -> int:
        def is_so() -> bool:
            held = {thread for thread, looks in self._looks.items() if looks >= LOOKS}
            return self._ended == ended and len(self._inside | held) == THREADS

        with self._changed:
            assert self._changed.wait_for(is_so, WAIT_SECONDS)
            return len(self._inside)

    def _work(self) -> None:
        me = threading.get_ident()
        while not self._over:
            with self.pace.turn():
                with self._changed:
                    self._inside.add(me)
                    self._changed.notify_all()
                self._go.acquire()
                with self._changed:
                    self._inside.remove(me)
            with self._changed:
                self._ended += 1
                self._looks.clear()
                self._changed.notify_all()


@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.integers(1, 20_000), st.floats(0, 5)), min_size=1),
)
def test_a_bucket_keeps_its_rate(rate: int, writes: list[tuple[int, float]]) -> None:
    """However large the writes and the pauses, what went before a write never exceeds the rate and one second's worth."""
    bucket, now, spent = Bucket(), 5.0, 0
    bucket.change(rate, now)
    for units, pause in writes:
        now += pause
        now += bucket.ready_in(now)
        assert spent <= rate * (now - 5.0) + rate + 1e-6 * spent
        bucket.spend(units, now)
        spent += units


def test_a_bucket_without_a_rate_holds_nobody() -> None:
    """No rate is no wait, and lifting a limit forgives what is owed under it."""
    bucket = Bucket()
    bucket.spend(1e9, 1.0)
    assert bucket.ready_in(1.0) == 0
    bucket.change(10, 1.0)
    bucket.spend(1_000, 1.0)
    assert bucket.ready_in(1.0) == pytest.approx(100)
    bucket.change(1_000, 51.0)  # half is paid for; the rest goes at the new rate
    assert bucket.ready_in(51.0) == pytest.approx(0.5)
    bucket.change(None, 51.0)
    assert bucket.ready_in(51.0) == 0


@given(
    rate=st.integers(1, 100),
    megabytes=st.lists(st.integers(1, 100), min_size=2, max_size=8),
    what=st.sampled_from(["written", "source", "target"]),
)
def test_megabytes_a_second_are_kept(rate: int, megabytes: list[int], what: str) -> None:
    """What went before never exceeds the operator's MB/s and one second's worth, written or read; nobody waits for longer."""
    clock, spent = Ticking(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows, "SLICE_SECONDS", 0.0)
        flow = Flow(threading.Event(), clock=clock)
        flow.throttle(Throttle(megabytes_per_second=rate))
        read = {"source": flow.source, "target": flow.target}.get(what)
        begun = clock.now
        for size in megabytes:
            with read.turn() if read else flow.turn(1, size * MEGABYTE):
                seconds = clock.now - begun
                assert spent <= rate * (seconds + 1)
                assert seconds <= spent / rate + len(megabytes) * 4 * TICK_SECONDS
            if read:
                read.spend(1, size * MEGABYTE)
            spent += size


def test_a_window_halves_once_a_burst_and_grows_back() -> None:
    """Refusals that come together count once; after those that go on for long one chunk is left; then it grows to what it was."""
    window = Window(8)
    for _ in range(8):
        window.refused(10.0)
    assert window.limit == 4
    for second in range(20):
        window.refused(20.0 + second)
    assert window.limit == 1
    limits = []
    for _ in range(60):
        window.went_well()
        limits.append(window.limit)
    assert limits == sorted(limits)
    assert (limits[0], limits[-1]) == (2, 8)


def test_a_refusal_halves_what_was_really_at_once() -> None:
    """Where only two of eight were at it, a server that wants fewer gets one, not four."""
    window = Window(8)
    window.refused(10.0, busy=2)
    assert window.limit == 1


def test_turns_at_once_are_as_many_as_the_window_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a rate limit half of the threads have a turn and the others wait; turns that go well bring one after the other back."""
    monkeypatch.setattr(flows, "SLICE_SECONDS", 0.01)
    crew, window = Crew(), Window(THREADS)
    crew.pace.refused()
    window.refused(0.0)
    at_once, allowed = [crew.start()], [window.limit]
    for _ in range(3 * THREADS):
        at_once.append(crew.end_one())
        window.went_well()
        allowed.append(window.limit)
    crew.end()
    assert at_once == allowed
    assert (at_once[0], at_once[-1]) == (THREADS // 2, THREADS)


def test_sizes_halve_and_grow_back() -> None:
    """A refusal halves, refusals of larger requests than now change nothing, and growing back is tried ever more rarely."""
    sizes = Sizes()
    assert sizes.entities(16_384, 3_072) == 16_384
    sizes.too_large(2_000_000)
    sizes.too_large(2_000_000)
    assert sizes.now == 1_000_000
    assert sizes.entities(16_384, 1_000) == 900
    assert sizes.entities(16_384, 5_000_000) == 1

    def chunks_until_it_grows() -> int:
        before, chunks = sizes.now, 0
        while sizes.now == before:
            sizes.went_well()
            chunks += 1
        return chunks

    first = chunks_until_it_grows()
    sizes.too_large(sizes.now)
    second = chunks_until_it_grows()
    assert (first, second) == (8, 16)
    for _ in range(1_000):
        sizes.went_well()
    assert sizes.now == REQUEST_BYTES_MAX
    sizes.too_large(1)
    assert sizes.now == REQUEST_BYTES_MIN


def test_the_reason_is_always_said() -> None:
    """Throttled by the operator, asked for fewer by the target, waiting for a server: each is said while it lasts."""
    clock, halt = Clock(), threading.Event()
    flow = Flow(halt, writers=4, clock=clock)
    assert flow.reason() == ""
    flow.refused(ServiceUnavailable("gone"))
    assert flow.reason() == ""
    flow.refused(Throttled("too fast"))
    assert flow.reason() == (
        "The target asked for fewer requests: 2 of 4 chunks are written at once."
    )
    flow.waits("b did not answer.")
    assert flow.reason() == "Waiting: b did not answer."
    with flow.turn(10, 10):
        assert flow.reason() == "Waiting: b did not answer."
    assert flow.reason().startswith("The target asked for fewer requests")
    flow.throttle(Throttle(entities_per_second=100, megabytes_per_second=1.5))
    with flow.turn(1_000, 10):
        pass
    entered = threading.Event()

    def late() -> None:
        with flow.turn(1, 1):
            entered.set()

    waiting = threading.Thread(target=late)
    waiting.start()
    assert not entered.wait(0.05)
    assert flow.reason() == "Throttled by the operator to 100 entities/s and 1.5 MB/s."
    clock.now += 10
    assert entered.wait(10)
    waiting.join()


def test_a_target_that_refuses_reads_is_read_less() -> None:
    """A refusal while the target is read makes the readers there fewer, and leaves the writers as many."""
    flow = Flow(threading.Event(), writers=4, clock=Clock())
    with flow.target.turn():
        flow.refused(Throttled("too fast"))
    assert flow.reason().endswith("pages are read at once.")
    assert flow.reason().startswith("The target asked for fewer requests: ")


def test_a_wait_that_is_over_is_not_shown_for_ever() -> None:
    """A wait for a server of which nothing more is heard is not the reason any more after 20 s."""
    clock = Clock()
    flow = Flow(threading.Event(), clock=clock)
    flow.waits("b did not answer.")
    clock.now += 19
    assert flow.reason() == "Waiting: b did not answer."
    clock.now += 2
    assert flow.reason() == ""


def test_nobody_waits_in_an_attempt_that_must_end() -> None:
    """Writers that are held by throttle or window go on at once when the attempt ends, to hear of it."""
    halt = threading.Event()
    flow = Flow(halt, writers=1)
    flow.throttle(Throttle(entities_per_second=1))
    done = threading.Semaphore(0)

    def write() -> None:
        with flow.turn(1_000_000, 1):
            done.release()

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert done.acquire(timeout=10)
    assert not done.acquire(timeout=0.05)
    halt.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
