"""Whether a call is made again: reads always, writes never when their outcome is unknown."""

import threading
import time
from collections.abc import Callable

import pytest

from engine.descent import Undecided
from engine.errors import (
    FerryError,
    InputRejected,
    NeedsPerson,
    ServiceUnavailable,
    Throttled,
)
from engine.milvus import retry
from engine.milvus.retry import PASSING, REFUSED_AT_THE_DOOR, Failures, repeat


def failing(times: int, failure: type[FerryError]) -> tuple[Callable[[], str], list[int]]:
    """A call that fails so often, then answers; and the list of its tries."""
    tries: list[int] = []

    def call() -> str:
        tries.append(len(tries))
        if len(tries) <= times:
            raise failure("not now")
        return "answer"

    return call, tries


@pytest.mark.parametrize("failure", [ServiceUnavailable, Throttled])
def test_a_read_is_repeated(failure: type[FerryError]) -> None:
    """A read that found its server away or busy is made again until it answers."""
    call, tries = failing(2, failure)
    assert repeat(call, stop=threading.Event()) == "answer"
    assert len(tries) == 3


@pytest.mark.parametrize("failure", [InputRejected, NeedsPerson])
@pytest.mark.parametrize("after", [PASSING, REFUSED_AT_THE_DOOR])
def test_a_refusal_is_final(failure: type[FerryError], after: Failures) -> None:
    """What another try cannot change is raised at once."""
    call, tries = failing(1, failure)
    with pytest.raises(failure):
        repeat(call, stop=threading.Event(), after=after)
    assert len(tries) == 1


def test_a_write_in_doubt_is_never_repeated() -> None:
    """A write whose outcome is unknown is made once: a second insert would double its entities."""
    call, tries = failing(1, ServiceUnavailable)
    with pytest.raises(ServiceUnavailable):
        repeat(call, stop=threading.Event(), after=REFUSED_AT_THE_DOOR)
    assert len(tries) == 1


def test_a_throttled_write_is_repeated() -> None:
    """A write that the server refused before it applied anything is made again."""
    call, tries = failing(2, Throttled)
    assert repeat(call, stop=threading.Event(), after=REFUSED_AT_THE_DOOR) == "answer"
    assert len(tries) == 3


@pytest.mark.parametrize("failure", [ServiceUnavailable, Throttled])
def test_work_of_many_calls_is_repeated_only_after_its_own_failure(
    failure: type[FerryError],
) -> None:
    """What one of its calls, or another service, did not do ends it at once; what the work itself could not decide does not."""
    call, tries = failing(1, failure)
    with pytest.raises(failure):
        repeat(call, stop=threading.Event(), after=(Undecided,))
    assert len(tries) == 1
    call, tries = failing(1, Undecided)
    assert repeat(call, stop=threading.Event(), after=(Undecided,)) == "answer"
    assert len(tries) == 2


class Impatient(threading.Event):
    """A stop that nobody sets, and at which nobody waits: it notes for how long somebody would have.

    Attributes:
        waits: Seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Returns at once."""
        self.waits.append(timeout or 0.0)
        return self.is_set()


def test_waits_grow_up_to_16_seconds() -> None:
    """Between two tries lies a random part of 0.2 s, 0.4 s, 0.8 s … and never more than 16 s."""
    stop = Impatient()
    call, tries = failing(100, ServiceUnavailable)
    assert repeat(call, stop=stop) == "answer"
    assert len(stop.waits) == len(tries) - 1
    assert all(wait <= min(16.0, 0.2 * 2**number) for number, wait in enumerate(stop.waits))
    assert max(stop.waits) > 8


def test_a_stop_ends_the_waiting() -> None:
    """Once stop is set no further try is made, and a wait that has begun ends at once."""
    stop, tried = threading.Event(), threading.Event()

    def call() -> None:
        tried.set()
        raise ServiceUnavailable("away")

    def set_after_the_first_try() -> None:
        assert tried.wait(30)
        stop.set()

    setter = threading.Thread(target=set_after_the_first_try)
    setter.start()
    started = time.monotonic()
    with pytest.raises(ServiceUnavailable, match="away"):
        repeat(call, stop=stop)
    setter.join()
    assert time.monotonic() - started < 10
    call_again, tries = failing(9, ServiceUnavailable)
    with pytest.raises(ServiceUnavailable):
        repeat(call_again, stop=stop)
    assert len(tries) == 1


def test_a_server_that_was_waited_for_in_vain_is_not_waited_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once one call to a server has used up the whole time, the next ones are made once and fail at once."""
    hopeless, stop = threading.Event(), Impatient()
    monkeypatch.setattr(retry, "TOTAL_SECONDS_MAX", 0.0)
    call, _ = failing(1, Throttled)
    with pytest.raises(Throttled):
        repeat(call, stop=stop, hopeless=hopeless)
    monkeypatch.undo()
    call, tries = failing(1, Throttled)
    with pytest.raises(Throttled):
        repeat(call, stop=stop, hopeless=hopeless)
    assert len(tries) == 1
