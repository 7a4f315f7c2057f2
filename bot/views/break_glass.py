"""Breaking the glass: the dialog that asks for the reason, and what the configured channel is told.

Whether somebody may do it is decided by the service. Nothing here decides anything.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from bot.views import message as m
from bot.views import text as t
from bot.views.card import Decision, MigrationCard, action_value, amount, place, route
from bot.views.root import WRITE_FREEZE, deletions

View: TypeAlias = dict[str, Any]

CALLBACK_ID: Final = "ferry_break_glass_form"
TITLE: Final = "Break the glass"
REASON: Final = "ferry_break_glass_reason"
REASON_MIN: Final = 10


class Asked(NamedTuple):
    """What was sent: the button's value, the reason, and where the button stood."""

    value: str
    reason: str
    channel: str = ""
    thread_ts: str = ""


def form(card: MigrationCard, channel: str, thread_ts: str = "") -> View:
    """The dialog: what will happen, who will be told, and a field for the reason."""
    what = f" ({amount(card.plan)})" if card.plan else ""
    said = (
        f":rotating_light: *This starts {t.code(card.migration.id)} without the approvals it needs:* {route(card)}{what}. "
        "It is for emergencies. It passes configured freeze windows, not a freeze that a person has set. "
        "Your name and reason are kept in the audit trail and told to a channel that was configured for it."
    )
    warning = t.clip(t.prose(card.warning), 700)
    blocks = [
        m.section(said),
        deletions(card),
        m.section(f":warning: *Warning for {t.code(card.target.name, 72)}:* {warning}")
        if warning
        else None,
        m.section(WRITE_FREEZE),
        {
            "type": "input",
            "block_id": REASON,
            "label": m.plain("Why it cannot wait for the approvals", 150),
            "element": {
                "type": "plain_text_input",
                "action_id": REASON,
                "multiline": True,
                "min_length": REASON_MIN,
                "max_length": 1_000,
            },
        },
    ]
    carried = {"value": action_value(card), "channel": channel, "thread_ts": thread_ts}
    return {
        "type": "modal",
        "callback_id": CALLBACK_ID,
        "title": m.plain(TITLE, 24),
        "submit": m.plain("Start it", 24),
        "close": m.plain("Go back", 24),
        "private_metadata": json.dumps(carried),
        "blocks": [block for block in blocks if block],
    }


def asked(view: Mapping[str, Any]) -> Asked:
    """Reads what was sent."""
    carried = json.loads(view["private_metadata"])
    typed = view["state"]["values"][REASON][REASON]
    return Asked(reason=str(typed.get("value") or ""), **carried)


def broadcast(card: MigrationCard, decision: Decision) -> m.Message:
    """What the configured channel is told."""
    who = t.person(decision.user_id)
    role = f" ({t.clip(decision.role, 120)})" if decision.role else ""
    needed = t.counted(card.approvals_needed, "approval")
    return m.message(
        f"{who} started migration {t.escape(card.migration.id)} to {place(card.target)} without the approvals (break-glass).",
        m.section(
            f":rotating_light: *Break-glass:* {who}{role} started {t.code(card.migration.id)} "
            f"without the {needed} it takes, {t.when(decision.at)}.\n{route(card)}"
        ),
        m.section(t.quote(decision.comment)),
        m.context("Cancel migration in its thread stops it within 5 seconds."),
    )
