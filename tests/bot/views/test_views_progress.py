"""The progress message: its figures, its bars, and what it leaves out while there is nothing to say."""

from typing import Any

import pytest

from bot.views.progress import progress_message
from bot.views.root import root_message
from engine.lifecycle import Status
from engine.pace import remaining_seconds

PROVED = "The copy is complete: 31,000 entities are on {}, all of them verified."


@pytest.mark.parametrize(
    ("copied", "seconds", "left"),
    [(0, 60.0, None), (309, 60.0, None), (3_100, 9.9, None), (3_100, 10.0, 90.0), (31_000, 1.0, 0)],
)
def test_no_estimate_before_it_means_something(
    samples: Any, copied: int, seconds: float, left: float | None
) -> None:
    """Under 1 % or 10 s there is none; then it is the rest at the rate so far."""
    progress = samples.progress(copied, seconds=seconds)
    assert remaining_seconds(progress) == (pytest.approx(left) if left is not None else None)


def test_the_reason_for_a_slow_down_is_shown(samples: Any) -> None:
    """While it runs, the progress message says why it is slower than it could be; once it has ended it does not."""
    progress = samples.progress(3_100, slowed="Throttled by the operator to 5 MB/s.")
    said = str(progress_message(samples.card(Status.RUNNING), progress, samples.now))
    assert "Slower than it could be. Throttled by the operator to 5 MB/s." in said
    ended = str(progress_message(samples.card(Status.CANCELED), progress, samples.now))
    assert "Throttled" not in ended


@pytest.mark.parametrize("seconds", [0.0, float("nan"), float("inf"), -1.0])
def test_progress_never_shows_figures_that_are_none(samples: Any, seconds: float) -> None:
    """No NaN, no infinity and nothing above 100 %, whatever the ledger says."""
    progress = samples.progress(40_000, verified=40_000, seconds=seconds, bytes=-5)
    said = str(progress_message(samples.card(Status.RUNNING), progress, samples.now)).lower()
    assert "nan" not in said
    assert "inf " not in said
    assert "31,000 of 31,000" in said


def test_the_bars_keep_their_place(samples: Any) -> None:
    """The bars have the same width at every figure, so that the message does not jump."""
    shapes = set()
    for copied in (0, 1, 15_500, 30_999, 31_000):
        message = progress_message(
            samples.card(Status.RUNNING), samples.progress(copied), samples.now
        )
        shapes.add(tuple(len(line) for line in message.blocks[1]["text"]["text"].split("\n")))
    assert len(shapes) == 1


def test_an_ended_progress_says_what_is_incomplete(samples: Any) -> None:
    """After a cancel no collection is still said to be copying."""
    message = progress_message(samples.card(Status.CANCELED), samples.progress(), samples.now)
    (table,) = [block for block in message.blocks if block["type"] == "table"]
    states = [row[1]["text"] for row in table["rows"][1:]]
    assert states == ["Copied", "Incomplete", "Not copied", "Not copied"]


def test_a_copy_that_stands_still_has_no_rate_in_slack(samples: Any) -> None:
    """While it copies the rate is that of the last minute, none where nothing was copied; once it rests, the whole copy's."""
    progress = samples.progress(recent_entities=0, recent_seconds=0.0)
    runs, rests = (samples.card(status) for status in (Status.RUNNING, Status.PAUSED))
    assert "*Rate*\n–" in str(progress_message(runs, progress, samples.now).blocks).replace(
        "\\n", "\n"
    )
    assert "250 entities/s, 140 kB/s" in str(progress_message(rests, progress, samples.now).blocks)
    slow = samples.progress(recent_entities=600, recent_seconds=60.0)
    assert "10 entities/s, 5.6 kB/s" in str(progress_message(runs, slow, samples.now).blocks)


@pytest.mark.parametrize(
    ("copied", "verified", "phase", "said"),
    [
        (12_000, 0, "copying", "12,000 of 31,000 entities stay on {}, incomplete and unverified."),
        (
            31_000,
            0,
            "loaded",
            "The copy is complete: 31,000 entities are on {}, none of them verified.",
        ),
        (
            31_000,
            20_000,
            "verifying",
            "The copy is complete: 31,000 entities are on {}, 20,000 of them verified.",
        ),
        (
            31_000,
            31_000,
            "verified",
            PROVED + " What comes last (lifetimes, aliases) is not set yet on 4 of 4 collections.",
        ),
        (
            31_000,
            31_000,
            "done",
            PROVED,
        ),
    ],
)
@pytest.mark.parametrize("status", [Status.CANCELED, Status.PAUSED])
def test_what_stopped_late_is_not_called_incomplete(
    samples: Any, status: Status, copied: int, verified: int, phase: str, said: str
) -> None:
    """Stopped at 100 % it says how much is verified and what is still to come, and no collection is said to be verifying."""
    progress = samples.progress(copied, verified)
    lines = [each.model_copy(update={"phase": phase}) for each in progress.collections]
    progress = progress.model_copy(update={"collections": tuple(lines)})
    card = samples.card(status).model_copy(update={"progress": progress})
    assert f"{said.format('`staging` / `shop`')} Resume continues from there." in str(
        root_message(card).blocks
    )
    assert "Verifying" not in str(progress_message(card, progress, samples.now).blocks)
