"""The undo of a migration in words: what it would drop, and the replies in the thread from the wish to its end.

Who may have one undone, and whether that is possible, is decided elsewhere.
"""

from collections.abc import Sequence

from bot.views import text as t
from bot.views.card import MigrationCard, deleted_in_short, place, place_plain
from bot.views.said import Said, by, detail, error, names
from bot.views.standing import failure, failure_lines
from engine.lifecycle import Status
from engine.model import Event

_LISTED = 12
"""Collections that a reply names; the rest is a number."""


def undo_text(card: MigrationCard, limit: int) -> str:
    """What an undo drops and what it does not bring back, plain text; only the collections' names are shortened.

    Args:
        card: The migration.
        limit: Characters at most, 280 or more.
    """
    plan = card.plan
    made = [t.visible(each.name) for each in plan.collections] if plan else []
    lost = " What it replaced is NOT brought back: {}." if plan and card.replaces else ""
    said = (
        f"DROPS on {place_plain(card.target, 36)} what it made, with aliases (and the database, if it made that): {{}}.{lost} "
        "Nothing is dropped if someone else wrote there since. The source is not touched."
    )
    room, number = max(limit - len(said), 40), len(_number(made))
    replaced = deleted_in_short(plan, room - number) if plan and lost else ""
    return said.format(_as_fit(made, room - len(replaced)), replaced)


def _as_fit(collections: Sequence[str], limit: int) -> str:
    """As many of these names as fit, and how many more there are; a mere number where none fits."""
    shown: list[str] = []
    for name in (t.shorten(name, 40) for name in collections):
        left = len(collections) - len(shown) - 1
        tail = f" and {left} more" if left else ""
        if len(", ".join((*shown, name))) + len(tail) > limit:
            break
        shown.append(name)
    more = len(collections) - len(shown)
    if not shown:
        return _number(collections)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _number(collections: Sequence[str]) -> str:
    return t.counted(len(collections), "collection")


def asked(card: MigrationCard, event: Event) -> Said:
    """Somebody wants it undone."""
    what = (
        f"First it is looked whether someone else wrote to what it made on {place(card.target)}; "
        "if nobody did, that is dropped. The source is not touched."
    )
    return Said("IN PROGRESS", f"Undo asked for by {by(event)}. {what}")


def kept(card: MigrationCard, event: Event) -> Said:
    """The wish was taken back before a worker began."""
    stays = f"{place(card.target)} stays as it is now."
    return Said(card.word, f"{by(event)} took the undo back. {stays}")


def begun(card: MigrationCard, _event: Event) -> Said:
    """A worker has taken it."""
    look = f"The undo has begun: what this migration made on {place(card.target)} is looked at, then dropped."
    return Said("IN PROGRESS", look)


def drops(card: MigrationCard, _event: Event) -> Said:
    """Nothing was in the way; from here on something is gone."""
    now = f"What this migration made on {place(card.target)} is being dropped now."
    return Said("IN PROGRESS", f"{now} From here the undo cannot be taken back.")


def undone(card: MigrationCard, event: Event) -> Said:
    """It is done: what was dropped, what was not there any more, what was left to others."""
    target = place(card.target)
    parts = [
        _fate(event, "dropped", f"Dropped on {target}"),
        f"The database {t.code(card.target.database, 72)} was dropped as well."
        if event.details.get("database")
        else "",
        _database_left(card, event),
        _fate(event, "gone", "No longer there"),
        _fate(
            event, "left", "Left alone, because this migration did not make what stands there now"
        ),
        "What it replaced is not brought back." if card.replaces else "",
    ]
    told = t.joined(tuple(part for part in parts if part))
    return Said(
        "UNDONE", f"Undone. {told or 'It had made nothing there.'} The source was not touched."
    )


def _database_left(card: MigrationCard, event: Event) -> str:
    why = t.escape(t.prose(detail(event, "database_left")))
    return f"The database {t.code(card.target.database, 72)} is left: {why}" if why else ""


def _fate(event: Event, fate: str, label: str) -> str:
    found = names(event, fate)
    if not found:
        return ""
    shown = ", ".join(t.code(name, 48) for name in found[:_LISTED])
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return f"{label}: {shown}{more}."


def left(card: MigrationCard, event: Event) -> Said:
    """It was not done, or given up: why, how the data stands, what to do now."""
    told = error(event)
    return Said(
        card.word,
        f"The undo was not done. {failure(card, told)}",
        lines=f"the undo was not done.\n{failure_lines(card, told)}",
    )


def let_go(card: MigrationCard, event: Event, why: str) -> Said:
    """Its process ended in the middle: another one goes on, or it was given up."""
    if card.migration.status is not Status.UNDO_ASKED:
        return left(card, event)
    return Said(
        "IN PROGRESS", f"{why} The undo goes on by itself; what is dropped is not dropped twice."
    )
