"""One job as a line of the Jobs list, in the columns of Zilliz Cloud's Jobs page: type, status, ID, start, end, created by.

It draws the card it is given. Which buttons belong under it is said by the caller.
"""

from collections.abc import Sequence

from bot.views import message as m
from bot.views import text as t
from bot.views.card import MigrationCard, route, status_line
from engine.lifecycle import Status

SHOWN = 14
"""Jobs in a message: three blocks each, of Slack's 50."""


def job_blocks(card: MigrationCard) -> tuple[m.Block | None, ...]:
    """A job without its buttons."""
    migration = card.migration
    title = f"{status_line(card)} · {t.code(migration.id)} · Migration"
    to_come = f"not before {t.when(card.starts_at)}" if card.starts_at else "not started"
    started = t.when(migration.started_at) if migration.started_at else to_come
    ended = t.when(migration.ended_at) if migration.ended_at else "–"
    return (
        m.section(t.joined((title, route(card), _beside(card)), "\n")),
        m.context(
            f"Start: {started}", f"End: {ended}", f"Created by: {t.person(migration.requester)}"
        ),
    )


def _beside(card: MigrationCard) -> str:
    """What Zilliz's word does not tell."""
    if card.canceling:
        soon = (
            "what was loaded only to be read is released first"
            if card.putting_back
            else "it stops within 5 seconds"
        )
        return f"Being canceled; {soon}."
    if card.pausing:
        return "Being paused; it stops within seconds."
    if card.hold and card.migration.status is Status.QUEUED:
        return f":snowflake: Approved, but it does not start now. {t.sentence(t.keep_mentions(card.hold))}"
    return _BESIDE.get(card.migration.status, "")


_BESIDE: dict[Status, str] = {
    Status.PLANNING: "The plan is being made.",
    Status.AWAITING_APPROVAL: "Waits for approval.",
    Status.QUEUED: "Approved; waits to start.",
    Status.PAUSED: "Paused.",
    Status.REJECTED: "Rejected; nothing was written.",
    Status.EXPIRED: "Nobody approved it in time; nothing was written.",
    Status.UNDO_ASKED: "Waits to be undone.",
    Status.UNDOING: "Being undone.",
    Status.UNDONE: "Undone.",
}


def jobs_message(cards: Sequence[MigrationCard], total: int) -> m.Message:
    """The newest jobs for the one person who asked; it is not edited afterwards, so it has no buttons.

    Args:
        cards: The newest first; the first 14 are drawn.
        total: How many there are in all.
    """
    if not cards:
        nothing = "No migration has been requested yet. `/migrate` opens the form."
        return m.message(nothing, m.section(nothing))
    shown = cards[:SHOWN]
    rest = total - len(shown)
    more = f"and {t.counted(rest, 'older job')}: all are in Ferry's Home tab" if rest > 0 else ""
    return m.message(
        "The migrations, newest first.",
        m.header("Jobs"),
        *(block for card in shown for block in (*job_blocks(card), m.divider())),
        m.context(more),
    )
