"""The progress message: one message in the thread that is edited in place while a migration runs.

Pure figures from `Progress`; the time comes in as an argument. It never shows more than 100 %, and no estimate before there is
something to estimate from.
"""

from datetime import datetime

from bot.views import buttons
from bot.views import message as m
from bot.views import text as t
from bot.views.card import MigrationCard, place_plain, route, status_line
from bot.views.standing import standing, start
from engine.lifecycle import Status
from engine.model import CollectionProgress, Progress
from engine.pace import entities_per_second, remaining_seconds

ROWS = 30
PHASES: dict[str, str] = {
    "": "Starting",
    "create": "Creating collections",
    "copy": "Copying",
    "load": "Loading",
    "repair": "Repairing",
    "verify": "Verifying",
    "alias": "Setting aliases",
}
"""What `engine/phases.py` calls its phases, in words for people."""

STATES: dict[str, str] = {
    "waiting": "Waiting",
    "creating": "Creating",
    "created": "Created",
    "copying": "Copying",
    "copied": "Copied",
    "loaded": "Loaded",
    "repairing": "Repairing",
    "verifying": "Verifying",
    "done": "Verified",
    "dropped": "Dropped",
}
"""The phases of one collection; "verified" is read from its figures, because there it means that it was compared."""

_CUT_SHORT = frozenset({"repairing", "verifying"})
"""Phases in which nothing stands still: a collection that was left in one is not verified."""


def progress_message(card: MigrationCard, progress: Progress, now: datetime) -> m.Message:
    """The progress message; with buttons only while it runs and is not being canceled."""
    return m.message(
        _sentence(card, progress),
        m.section(t.joined((status_line(card), _bold_phase(card, progress), route(card)), " · ")),
        m.section(_bars(progress)),
        m.fields(
            ("Copied", _of(progress.copied, progress.entities)),
            ("Rate", _rate(card, progress)),
            ("Elapsed", _elapsed(card, now)),
            ("Remaining (estimate)", _remaining(card, progress)),
        ),
        _collections(card, progress),
        _hidden(progress),
        m.section(standing(card)) if card.canceling or card.pausing else _slowed(card, progress),
        m.actions("acts", *_buttons(card)),
        m.context(f"{t.code(card.migration.id)} · {_as_of(card, now)}"),
    )


def phase_word(phase: str) -> str:
    """A migration's phase as people read it; an unknown one as it is."""
    return PHASES.get(phase, _unknown(phase))


def _unknown(name: str) -> str:
    return t.shorten(t.visible(name), 40).capitalize()


def _sentence(card: MigrationCard, progress: Progress) -> str:
    part = t.percent(t.fraction(progress.copied, progress.entities))
    places = f"{place_plain(card.source)} to {place_plain(card.target)}"
    figures = (
        f"{t.number(min(progress.copied, progress.entities))} of {t.entities(progress.entities)}"
    )
    phase = _phase(card, progress).lower()
    done = t.joined((phase, f"{figures} copied ({part})"), ", ")
    return t.escape(f"{card.word}: {done}, migration {card.migration.id} of {places}.")


def _phase(card: MigrationCard, progress: Progress) -> str:
    if card.canceling:
        return "Canceling"
    if card.pausing:
        return "Pausing"
    if card.ended:
        return ""
    if card.migration.status is Status.PAUSED:
        return "Paused"
    if card.migration.status is Status.QUEUED:
        return "Waiting to continue" if card.migration.started_at else "Waiting to start"
    return phase_word(progress.phase)


def _bold_phase(card: MigrationCard, progress: Progress) -> str:
    phase = _phase(card, progress)
    return f"*{t.escape(phase)}*" if phase else ""


def _as_of(card: MigrationCard, now: datetime) -> str:
    if card.migration.ended_at:
        return f"ended {t.when(card.migration.ended_at)}"
    return f"as of {t.when(now, only_time=True)}"


def _bars(progress: Progress) -> str:
    lines = [_bar("Copied  ", progress.copied, progress.entities)]
    lines.append(_bar("Verified", progress.verified, progress.entities))
    return "```" + "\n".join(lines) + "```"


def _bar(label: str, done: int, total: int) -> str:
    part = t.fraction(done, total)
    return f"{label}  {t.bar(part)}  {t.percent(part):>5}"


def _of(done: int, total: int) -> str:
    return f"{t.number(min(done, total))} of {t.entities(total)}"


def _rate(card: MigrationCard, progress: Progress) -> str:
    """That of now while it copies, else that of the whole copy."""
    if progress.copied <= 0 or not progress.seconds > 0:
        return "–"
    rate: float | None = progress.copied / progress.seconds
    if card.migration.status is Status.RUNNING and progress.copied < progress.entities:
        rate = entities_per_second(progress)
    if not rate:
        return "–"
    size = t.size(rate * progress.bytes / progress.copied)
    return f"{t.per_second(rate)} entities/s, {size}/s"


def _elapsed(card: MigrationCard, now: datetime) -> str:
    started = card.migration.started_at
    if started is None:
        return "not started"
    end = card.migration.ended_at or now
    return t.duration((end - started).total_seconds())


def _remaining(card: MigrationCard, progress: Progress) -> str:
    if card.migration.status is not Status.RUNNING or card.canceling:
        return ""
    seconds = remaining_seconds(progress)
    if seconds is None:
        return "estimating"
    return f"about {t.duration(seconds)} to copy" if seconds else "only the verification"


def _slowed(card: MigrationCard, progress: Progress) -> m.Block | None:
    if card.migration.status is Status.QUEUED and card.starts_at is not None:
        return m.context(f"It {start(card)}.")
    if card.migration.status is not Status.RUNNING or not progress.slowed:
        return None
    return m.context(f"Slower than it could be. {t.clip(t.prose(progress.slowed), 400)}")


def _collections(card: MigrationCard, progress: Progress) -> m.Block | None:
    columns = (
        m.Column("Collection"),
        m.Column("State"),
        m.Column("Copied / of", numeric=True),
    )
    return m.table(columns, [_row(card, c) for c in progress.collections[:ROWS]])


def _row(card: MigrationCard, collection: CollectionProgress) -> tuple[str, ...]:
    copied = min(collection.copied, collection.entities)
    figures = f"{t.number(copied)} / {t.number(collection.entities)}"
    return (collection.name, _state(card, collection), figures)


def _state(card: MigrationCard, collection: CollectionProgress) -> str:
    if card.migration.status is not Status.RUNNING and collection.copied < collection.entities:
        untouched = "Not copied" if card.ended else "Waiting"
        return "Incomplete" if collection.copied else untouched
    if card.migration.status is not Status.RUNNING and collection.phase in _CUT_SHORT:
        return "Not verified"
    if collection.phase == "verified":
        return "Verified" if collection.verified >= collection.entities else "Compared"
    return STATES.get(collection.phase, _unknown(collection.phase))


def _hidden(progress: Progress) -> m.Block | None:
    hidden = progress.collections[ROWS:]
    if not hidden:
        return None
    copied = sum(min(c.copied, c.entities) for c in hidden)
    total = sum(c.entities for c in hidden)
    return m.context(
        f"and {t.counted(len(hidden), 'more collection')}, {_of(copied, total)} copied"
    )


def _buttons(card: MigrationCard) -> tuple[m.Block, ...]:
    return tuple(buttons.for_status(card)) if card.migration.status is Status.RUNNING else ()
