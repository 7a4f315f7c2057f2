"""How a migration stands, for the one person who asked: the root message's facts without its plan and without its buttons.

It is not edited afterwards, so it has nothing on it that could become wrong to click.
"""

from bot.views import message as m
from bot.views import text as t
from bot.views.card import MigrationCard, status_line
from bot.views.root import request_fields
from bot.views.standing import headline, standing


def status_message(card: MigrationCard) -> m.Message:
    """Where it stands, who asked and when, and how far the copy came."""
    return m.message(
        headline(card),
        m.section(f"{status_line(card)} · {standing(card)}"),
        request_fields(card),
        m.context(t.joined((t.code(card.migration.id), _reached(card)), " · ")),
    )


def _reached(card: MigrationCard) -> str:
    progress = card.progress
    if progress is None or not progress.entities:
        return ""
    copied = min(progress.copied, progress.entities)
    part = t.percent(t.fraction(copied, progress.entities))
    return f"{t.number(copied)} of {t.entities(progress.entities)} copied ({part})"
