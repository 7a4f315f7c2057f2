"""What a signal does to a command: Ctrl-C, SIGTERM, and SIGHUP where a terminal goes away; and what is said of it.

A command that only looks ends by an exception, so that what it loaded to be read is released. A migration that runs here
is canceled by the first Ctrl-C, and goes back to the queue by the others.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from typer.core import TyperGroup

from engine.errors import FerryError
from engine.lifecycle import Status, zilliz_word
from engine.model import Migration

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


class Interrupted(FerryError):
    """The command was interrupted; its status is the one that shells give to Ctrl-C."""

    code = "E-INTERRUPTED"
    exit_code = 130


class Commands(TyperGroup):
    """The commands; one that is interrupted does not end without a word."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was typed; raises Interrupted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise interrupted() from None


def end_as_ctrl_c() -> None:
    """From here on SIGTERM, and SIGHUP unless it is ignored, as under nohup, end this process as Ctrl-C does."""
    for number in _ending():
        signal.signal(number, signal.default_int_handler)


@contextmanager
def orders(stop: threading.Event, canceled: threading.Event) -> Iterator[None]:
    """Ctrl-C asks for a cancel, and a second one ends at once; SIGTERM and SIGHUP hand the migration back to the queue."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_ending())}

    def cancel(*_: object) -> None:
        canceled.set()
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    signal.signal(signal.SIGINT, cancel)
    for number in _ending():
        signal.signal(number, lambda *_: stop.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def canceling(migration_id: str) -> str:
    """What is said after the first Ctrl-C."""
    return (
        f"Canceling {migration_id}: it stops after the chunks under way, within 5 s. "
        "Ctrl-C once more ends this process at once."
    )


def interrupted(migration: Migration | None = None) -> Interrupted:
    """What is said of a command that ended at once.

    Args:
        migration: What it was about, as it stands now.
    """
    if migration is None:
        return Interrupted(
            "This command was interrupted.",
            state="It wrote to neither source nor target.",
            next_step="`ferry jobs` shows how the migrations stand.",
        )
    name = migration.id
    if migration.status is Status.RUNNING:
        return Interrupted(
            f"This process ended before {name} had stopped.",
            state="What was copied stands on the target. What was loaded to be read may still be loaded.",
            next_step=f"`ferry resume {name}` goes on from there, `ferry cancel {name}` ends it and releases what was loaded.",
        )
    if migration.status is Status.UNDOING:
        return Interrupted(
            f"The undo of {name} was interrupted.",
            state="What it dropped is gone, the rest stands; the source was not touched.",
            next_step=f"`ferry undo {name}` goes on with it.",
        )
    return Interrupted(
        f"This command was interrupted; {name} stands as {zilliz_word(migration.status)} ({migration.status}).",
        state="What was copied before stands on the target.",
        next_step=f"`ferry show {name}` shows it.",
    )


def _ending() -> tuple[signal.Signals, ...]:
    return tuple(each for each in _ENDING if signal.getsignal(each) is not signal.SIG_IGN)
