"""The pipeline: what is in flight stays bounded, and however it ends, nothing is left half done."""

import threading
from collections.abc import Iterator

import pytest

from engine.errors import CancelRequested, StopWork
from engine.executors import READERS, WAITING_MAX, WRITERS, pipeline

IN_FLIGHT_MAX = READERS + WAITING_MAX + WRITERS


class Yard:
    """Counts what is between reading and written, from any thread."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.written: list[int] = []
        self.flying = self.most = 0
        self._lock = threading.Lock()

    def taken(self, item: int) -> int:
        """A reader took the item."""
        with self._lock:
            self.flying += 1
            self.most = max(self.most, self.flying)
            self.read.append(item)
        return item

    def left(self, item: int) -> None:
        """A writer is done with it."""
        with self._lock:
            self.flying -= 1
            self.written.append(item)


def test_every_item_is_read_and_written_once() -> None:
    """Two hundred items pass, each once, and no more than the slots at a time."""
    yard = Yard()
    pipeline(range(200), yard.taken, yard.left)
    assert sorted(yard.read) == sorted(yard.written) == list(range(200))
    assert yard.most <= IN_FLIGHT_MAX


def test_readers_wait_for_slow_writers() -> None:
    """While no writer finishes, only as many items are drawn as there are slots."""
    yard, gate, full = Yard(), threading.Event(), threading.Event()
    drawn = []

    def items() -> Iterator[int]:
        for item in range(100):
            drawn.append(item)
            if len(drawn) == IN_FLIGHT_MAX + 1:  # this one has to wait for a slot
                full.set()
            yield item

    def slow(item: int) -> None:
        assert gate.wait(30)
        yard.left(item)

    whole = threading.Thread(target=pipeline, args=(items(), yard.taken, slow))
    whole.start()
    try:
        assert full.wait(30)
        assert yard.most <= IN_FLIGHT_MAX
        assert len(drawn) == IN_FLIGHT_MAX + 1
        assert yard.written == []
    finally:
        gate.set()
        whole.join()
    assert len(yard.written) == 100


@pytest.mark.parametrize("kind", [ValueError, CancelRequested, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["reader", "writer"])
def test_a_failure_is_raised_when_nothing_is_in_flight(
    kind: type[BaseException], where: str
) -> None:
    """A failure in a reader or a writer, of whatever kind, ends the run; what was read before is written first."""
    yard = Yard()

    def read(item: int) -> int:
        if where == "reader" and item == 20:
            raise kind("no further")
        return yard.taken(item)

    def write(item: int) -> None:
        if where == "writer" and item == 20:
            raise kind("no further")
        yard.left(item)

    with pytest.raises(kind, match="no further"):
        pipeline(range(10_000), read, write)
    assert set(yard.read) - set(yard.written) == ({20} if where == "writer" else set())
    assert len(yard.written) < 100


def test_the_first_failure_is_the_one_that_is_raised() -> None:
    """Of several failures the one that came first is told, not the one of the first item."""
    drawn, noted = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield from range(3)
        drawn.set()

    def write(item: int) -> None:
        if item == 0:
            assert noted.wait(30)
            raise ValueError("came later")
        if item == 1:
            assert drawn.wait(30)
            raise LookupError("came first")
        noted.set()  # the same thread wrote item 1, whose failure is noted before this one begins

    with pytest.raises(LookupError, match="came first"):
        pipeline(items(), lambda item: item, write, readers=1, writers=2)


def test_a_stop_drains_what_is_in_flight() -> None:
    """When the items themselves say stop, what was drawn before is written, and the stop is raised."""
    yard = Yard()

    def items() -> Iterator[int]:
        yield from range(17)
        raise CancelRequested

    with pytest.raises(StopWork):
        pipeline(items(), yard.taken, yard.left)
    assert sorted(yard.written) == list(range(17))


def test_a_failure_is_not_lost_behind_a_stop() -> None:
    """A stop that follows a failure carries it as its cause, so that the log shows both."""
    failed = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert failed.wait(30)
        raise CancelRequested

    def read(_: int) -> int:
        failed.set()
        raise ValueError("lost?")

    with pytest.raises(CancelRequested) as raised:
        pipeline(items(), read, lambda _: None)
    assert isinstance(raised.value.__cause__, ValueError)


def test_no_threads_are_left() -> None:
    """After a run, and after a failed one, its threads are gone."""
    before = set(threading.enumerate())
    pipeline(range(50), lambda item: item, lambda _: None)
    with pytest.raises(ZeroDivisionError):
        pipeline(range(50), lambda item: 1 // item, lambda _: None)
    assert set(threading.enumerate()) == before
