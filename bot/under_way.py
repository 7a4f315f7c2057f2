"""What the command line says while something runs: a bar on a terminal, lines elsewhere, and what is waited for.

A sentence never stands in the bar, where a narrow terminal would cut it. Nothing is decided here.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from bot.terminal import err, out
from engine import pace, patience
from engine.lifecycle import Status, is_terminal
from engine.model import Event, Migration
from engine.model import Progress as Reached

_LINE_SECONDS: Final = 30.0
"""How often a log hears that a phase goes on, and how soon the same sentence is said again."""
_PROVING: Final = frozenset({"verify", "alias"})
_WAITS_FOR: Final[Mapping[Status, str]] = {
    Status.UNDO_ASKED: "It waits for the bot to undo it; `ferry undo {id}` does so now, `ferry cancel {id}` takes that back.",
}
_ABANDONED: Final[Mapping[Status, str]] = {
    Status.RUNNING: "The process that ran it is gone. Nothing is lost: `ferry resume {id}` goes on, `ferry cancel {id}` ends it.",
    Status.UNDOING: "The process that was undoing it is gone; `ferry undo {id}` goes on.",
}


@contextmanager
def progress(migration: Migration) -> Iterator[Callable[[Reached], None]]:
    """Says which migration runs, and yields a function that takes its progress: it moves a bar, or writes a line now and then."""
    about = f"{migration.request.source} → {migration.request.target}"
    err.print(f"{migration.id}  {about}", markup=False)
    show = (
        f"`ferry show {migration.id}` shows how far it is, `ferry cancel {migration.id}` stops it."
    )
    err.print(show, markup=False)
    say = waits()
    with _bar() if err.is_terminal else _lines(migration.id) as move:

        def shown(reached: Reached) -> None:
            say(reached)
            move(reached)

        yield shown


def waits() -> Callable[[Reached], None]:
    """A function that takes the progress, and says what slows it: once, and again where that comes back after a while."""
    said, at = "", 0.0

    def say(reached: Reached) -> None:
        nonlocal said, at
        slowed, now = reached.slowed, time.monotonic()
        if slowed and (slowed != said or now - at > _LINE_SECONDS):
            err.print(slowed, markup=False)
            said = slowed
        if slowed:
            at = now

    return say


def figures(reached: Reached) -> str:
    """How far it is: what was copied, or from there on what was found the same."""
    if reached.phase in _PROVING:
        return f"{reached.verified:,} of {reached.entities:,} entities verified"
    rate = pace.entities_per_second(reached)
    parts = (
        f"{reached.copied:,} of {reached.entities:,} entities copied",
        f"{rate:,.0f} entities/s" if rate and reached.copied < reached.entities else "",
        _left(reached),
    )
    return ", ".join(filter(None, parts))


def standing(migration: Migration, reached: Reached, *, abandoned: bool) -> None:
    """Says of a migration that goes on, or is being undone, how far it is, what it waits for, and what its operator allows it.

    Args:
        migration: The migration.
        reached: How far it is.
        abandoned: Whether nobody works on it although it runs or is being undone.
    """
    if not is_terminal(migration.status):
        phase = reached.phase or "not begun"
        out.print(f"{migration.status} · {phase} · {figures(reached)}", markup=False)
        if migration.due_at is not None and migration.started_at is None:
            out.print(f"To start {migration.due_at:%Y-%m-%d %H:%M} UTC.", markup=False)
        if migration.throttle is not None:
            out.print(f"Throttled to {migration.throttle}.", markup=False)
        if reached.slowed:
            out.print(reached.slowed, markup=False)
    waits_for = _ABANDONED if abandoned else _WAITS_FOR
    if migration.status in waits_for:
        out.print(waits_for[migration.status].format(id=migration.id), markup=False)


def flow(migration: Migration, reached: Reached, events: Iterable[Event]) -> dict[str, Any]:
    """What --json says beside the report: what happened, and how fast it goes on."""
    return {
        "events": [each.model_dump(mode="json") for each in events],
        "throttle": migration.throttle and migration.throttle.model_dump(),
        "slowed": reached.slowed,
        "remaining_seconds": pace.remaining_seconds(reached),
    }


@contextmanager
def lasting() -> Iterator[Callable[[str], None]]:
    """Yields a function that takes what is being done: once it has lasted, the latest of it is said, and again now and then."""
    latest, over = [""], threading.Event()

    def say() -> None:
        pause = patience.PATIENCE_SECONDS
        while not over.wait(pause):
            pause = _LINE_SECONDS
            if latest[0]:
                err.print(latest[0], markup=False)

    saying = threading.Thread(target=say, name="lasting", daemon=True)
    saying.start()
    try:
        yield lambda sentence: latest.__setitem__(0, sentence)
    finally:
        over.set()
        saying.join()


@contextmanager
def _bar() -> Iterator[Callable[[Reached], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=err, transient=True, expand=True) as bar:
        task = bar.add_task("starting", total=None, figures="")

        def move(reached: Reached) -> None:
            bar.update(
                task,
                description=reached.phase,
                total=max(reached.entities, 1),
                completed=reached.verified if reached.phase in _PROVING else reached.copied,
                figures=figures(reached),
            )

        yield move


@contextmanager
def _lines(migration_id: str) -> Iterator[Callable[[Reached], None]]:
    said, at = "", 0.0

    def move(reached: Reached) -> None:
        nonlocal said, at
        now = time.monotonic()
        if reached.phase and (reached.phase != said or now - at > _LINE_SECONDS):
            err.print(f"{migration_id}  {reached.phase}: {figures(reached)}", markup=False)
            said, at = reached.phase, now

    yield move


def _left(reached: Reached) -> str:
    """The time left to copy, in the unit that fits; nothing while it would be a guess."""
    seconds = pace.remaining_seconds(reached)
    if not seconds:
        return ""
    if seconds < 90:  # noqa: PLR2004  # a minute and a half
        return f"about {max(1, round(seconds, -1)):.0f} s left"
    minutes = seconds / 60
    return f"about {minutes:.0f} min left" if minutes < 90 else f"about {minutes / 60:.1f} h left"  # noqa: PLR2004
