"""The Home tab: the Jobs list as Zilliz Cloud's Jobs page has it (type, status, ID, start, end, created by).

It draws the cards it is given, newest first as they come, and asks nothing of the ledger.
"""

from collections.abc import Sequence
from typing import Any

from bot.views import message as m
from bot.views import text as t
from bot.views.card import EMOJI, MigrationCard, place

JOBS = 20
NEW_REQUEST = "ferry_home_new"
"""The action of the button that opens the request modal."""


def home_view(
    cards: Sequence[MigrationCard], *, total: int | None = None, request_button: bool = True
) -> dict[str, Any]:
    """The Home tab's view for `views.publish`.

    Args:
        cards: The jobs to show; the first 20 are drawn.
        total: How many jobs there are in all, when that is more than were given.
        request_button: Whether the reader gets a button to make a request.
    """
    shown = cards[:JOBS]
    hidden = max(total or 0, len(cards)) - len(shown)
    new = m.button("Migrate a database", NEW_REQUEST, "new", style="primary")
    blocks = [
        m.header("Jobs"),
        m.actions(new) if request_button else None,
        m.divider(),
        *(block for card in shown for block in _job(card)),
        m.section("No migration has been requested yet.") if not shown else None,
        m.context(f"and {t.counted(hidden, 'older job')}; `ferry jobs` lists them")
        if hidden > 0
        else None,
    ]
    return {"type": "home", "blocks": [block for block in blocks if block]}


def _job(card: MigrationCard) -> tuple[m.Block | None, ...]:
    migration = card.migration
    title = f"{EMOJI[card.word]} *{card.word}* · {t.code(migration.id)} · Migration"
    started = t.when(migration.started_at) if migration.started_at else "not started"
    ended = t.when(migration.ended_at) if migration.ended_at else "–"
    return (
        m.section(f"{title}\n{place(card.source)} → {place(card.target)}"),
        m.context(
            f"Start: {started}", f"End: {ended}", f"Created by: {t.person(migration.requester)}"
        ),
        m.divider(),
    )
