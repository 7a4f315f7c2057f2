"""The time that is left: withheld until it means something, then from the rate of the last minute."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Progress
from engine.pace import entities_per_second, remaining_seconds
from engine.stopwatch import Stopwatch


def progress(
    copied: int, seconds: float, recent: int = 0, over: float = 0.0, *, entities: int = 1_000
) -> Progress:
    """A copy that is so far."""
    return Progress(
        phase="copy",
        entities=entities,
        copied=copied,
        verified=0,
        bytes=0,
        seconds=seconds,
        recent_entities=recent,
        recent_seconds=over,
    )


@pytest.mark.parametrize(
    ("reached", "left"),
    [
        (progress(0, 60), None),
        (progress(9, 60, 9, 60), None),  # under 1 %
        (progress(100, 9.9, 100, 9.9), None),  # under 10 s
        (progress(100, 10, 90, 9.9), 90.0),  # no minute yet: at the rate so far
        (progress(500, 100, 100, 9.9), 100.0),  # the last minute says nothing yet
        (progress(500, 100, 100, 50), 250.0),  # the last minute's rate, not the whole copy's
        (progress(500, 100, 0, 30), None),  # nothing for half a minute: no rate is left
        (progress(500, 100), None),  # nothing for a minute: that of before is none of now
        (progress(1_000, 1), 0.0),
        (progress(1_001, 100), 0.0),  # the source grew since it was planned
        (progress(0, 0, entities=0), 0.0),
    ],
)
def test_what_is_left_is_said_when_it_means_something(
    reached: Progress, left: float | None
) -> None:
    """None at the beginning and while nothing moves, 0 at the end, else the rest at the rate of the last minute."""
    assert remaining_seconds(reached) == left


@given(
    st.builds(
        progress,
        st.integers(0, 2_000),
        st.floats(allow_nan=True, allow_infinity=True),
        st.integers(0, 2_000),
        st.floats(0, 60),
    )
)
def test_it_is_never_negative(reached: Progress) -> None:
    """Whatever the ledger says, what is left is None or a number that is not negative."""
    left = remaining_seconds(reached)
    assert left is None or left >= 0
    assert (entities_per_second(reached) or 0) >= 0


def test_it_does_not_jump() -> None:
    """A copy whose rate halves from one second to the next: from second to second what is left changes by little."""
    copied = [min(second, 60) * 10 + max(0, second - 60) * 5 for second in range(181)]
    lefts = [
        remaining_seconds(
            progress(
                copied[now],
                now,
                copied[now] - copied[max(0, now - 60)],
                min(now, 60),
                entities=3_000,
            )
        )
        for now in range(20, 181)
    ]
    steps = [abs(b - a) for a, b in pairwise(lefts) if a and b]
    assert len(steps) == 160
    assert max(steps) < 10


def test_a_copy_takes_what_all_of_its_attempts_took() -> None:
    """An attempt adds its time to that of the earlier ones; what lies between them, as a pause, is nobody's."""
    written: list[float] = []
    for _ in range(2):
        watch = Stopwatch(100.0, lambda: None, written.append)
        watch.check()  # too soon to be written down
        watch.record()
    assert len(written) == 2
    assert all(100.0 < seconds < 110.0 for seconds in written)
