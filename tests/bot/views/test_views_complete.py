"""No view, no state and no message of a state is without a golden rendering that somebody has looked at."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, get_type_hints

import pytest

import bot.views
from bot.ledger import Kind
from bot.narrator import _NOTES, PHASE
from bot.views import message as m
from bot.views import replies
from engine.lifecycle import Status
from tests.bot.views.changes import changes, told
from tests.bot.views.test_views_golden import CASES

RENDERED = {m.Message, m.Message | None, dict[str, Any]}
"""What a function returns that makes a message, a view or a block of one."""
MESSAGES: dict[Kind, str] = {
    Kind.ROOT: "root-{after}",
    Kind.PROGRESS: "progress-{after}",
    Kind.CHECKLIST: "checklist-{after}",
    Kind.DIRECT: "ending-{after}",
    Kind.REPORT: "report-{after}",
    Kind.PLAN: "plan",
    Kind.FINDINGS: "findings",
    Kind.BROADCAST: "break-glass-broadcast",
    Kind.FREEZE: "freeze",
    Kind.THAW: "thaw",
}
"""The golden file of each kind of message after a change of state; replies are found by what was rendered."""
RUNNING = {"progress-running": "progress-copying"}


class Seen:
    """What was called while all cases were rendered: functions, and of replies the event and the state after it."""

    def __init__(self, samples: Any) -> None:
        self.codes: set[CodeType] = set()
        self.replies: set[tuple[str, Status]] = set()
        sys.setprofile(self._called)
        try:
            for draw in CASES.values():
                draw(samples)
        finally:
            sys.setprofile(None)

    def _called(self, frame: FrameType, what: str, _argument: Any) -> None:
        if what != "call":
            return
        self.codes.add(frame.f_code)
        if frame.f_code is replies.reply.__code__:
            held = frame.f_locals
            self.replies.add((held["event"].name, held["card"].migration.status))


@pytest.fixture(scope="module")
def seen(samples: Any) -> Seen:
    """All cases rendered once."""
    return Seen(samples)


def views() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function of `bot/views/` that renders something."""
    for found in pkgutil.iter_modules(bot.views.__path__):
        module = importlib.import_module(f"bot.views.{found.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if own and get_type_hints(function).get("return") in RENDERED:
                yield f"{found.name}.{name}", function


def test_every_view_has_a_golden(seen: Seen) -> None:
    """Each function that makes a message, a view or a block is at work in some golden rendering."""
    missing = [name for name, function in views() if function.__code__ not in seen.codes]
    assert missing == []


def test_every_message_of_every_change_has_a_golden(samples: Any, seen: Seen) -> None:
    """Whatever the lifecycle allows: each message that the narrator makes of it has a rendering in the state after it."""
    migration = samples.migration(Status.AWAITING_APPROVAL)
    missing = set()
    for change in changes():
        for kind in told(change, migration):
            if kind is Kind.REPLY:
                if (change.event, change.after) not in seen.replies:
                    missing.add(f"reply to {change.event} as {change.after}")
                continue
            name = MESSAGES[kind].format(after=change.after)
            if RUNNING.get(name, name) not in CASES:
                missing.add(name)
    assert missing == set()


def test_every_note_that_is_told_has_a_golden(seen: Seen) -> None:
    """Notes that change no state, too."""
    names = {name for name, made in _NOTES.items() if Kind.REPLY in made} | {PHASE}
    assert names - {name for name, _ in seen.replies} == set()
    assert set(replies._SAYERS) - {name for name, _ in seen.replies} == set()


@pytest.mark.parametrize("view", ["root", "details", "checklist"])
def test_every_state_has_a_golden(view: str) -> None:
    """The messages and views that are drawn in every state."""
    assert {f"{view}-{status}" for status in Status} - set(CASES) == set()
