"""What requester and approvers are told in person when a migration has ended: how, in what state the data is, what to do now.

It stands in their direct messages and is not edited afterwards, so it has no button that could become wrong to click.
"""

from bot.views import message as m
from bot.views import text as t
from bot.views.card import MigrationCard, place, route, status_line
from bot.views.standing import headline, standing
from engine.lifecycle import Status


def ending_message(card: MigrationCard, link: str = "") -> m.Message:
    """The direct message.

    Args:
        card: The migration as it ended.
        link: The address of its thread; "" where Slack does not tell it.
    """
    thread = f"<{link}|Open its thread>" if link else ""
    return m.message(
        headline(card),
        m.section(f"{status_line(card)} · {standing(card)}"),
        m.section(_next(card)),
        m.context(t.code(card.migration.id), route(card), thread),
    )


def _next(card: MigrationCard) -> str:
    """What to do now, where `standing` has not said it."""
    status = card.migration.status
    if status is Status.SUCCESSFUL:
        return (
            f"*What to do:* Switch reads and writes to {place(card.target)}, then resume writes there only, and tick both in the "
            "thread's checklist. Keep the source until you are sure."
        )
    if status is Status.MISMATCHED:
        return "*What to do:* Do not switch over yet. The report in the thread says which entities; Repair or Re-migrate there."
    if status in {Status.FAILED, Status.CANCELED} and card.resumable:
        return "Writes to the source: keep them paused if it shall be resumed; if you give it up, they may go on."
    return ""
