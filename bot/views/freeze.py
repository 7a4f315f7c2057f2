"""What the approvals channel is told when all migrations are frozen, and when they may start again; and the buttons for both.

Who may do it is decided by the service at the click, never here.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from bot.views import message as m
from bot.views import text as t

View: TypeAlias = dict[str, Any]

FREEZE: Final = "ferry_freeze"
THAW: Final = "ferry_thaw"
CALLBACK_ID: Final = "ferry_freeze_form"
REASON: Final = "ferry_freeze_reason"


def freeze_message(by: str, role: str, at: datetime, reason: str) -> m.Message:
    """Nothing starts from now on: who said so, when and why."""
    who = _who(by, role)
    said = f":snowflake: *All migrations are frozen* by {who}, {t.when(at)}."
    rest = (
        "Nothing starts until somebody types `/migrate thaw` or ends the freeze in the Home tab. "
        "What is running goes on; requests and approvals are still taken."
    )
    return m.message(
        f"All migrations are frozen by {who}. Nothing starts until somebody thaws them.",
        m.section(said),
        m.section(t.quote(reason)),
        m.context(rest),
    )


def thaw_message(by: str, role: str, at: datetime) -> m.Message:
    """The freeze has ended: who ended it and when."""
    who = _who(by, role)
    return m.message(
        f"The freeze was ended by {who}; migrations start again.",
        m.section(f":sunny: *The freeze has ended*, by {who}, {t.when(at)}."),
        m.context("What is approved and due starts by itself."),
    )


def _who(by: str, role: str) -> str:
    return t.person(by) + (f" ({t.clip(role, 120)})" if role else "")


def freeze_button() -> m.Block:
    """Opens the dialog that asks why; nothing is frozen before it is sent."""
    says = "Let nothing start; asks for a reason"
    return m.button("Freeze …", FREEZE, "freeze", says=says)


def thaw_button() -> m.Block:
    """Ends the freeze, after a dialog that says what begins then."""
    text = "What is approved and due starts by itself. The approvals channel is told that you ended the freeze."
    dialog = m.confirm("End the freeze?", text, "End the freeze", "Leave it")
    return m.button("End the freeze", THAW, "thaw", confirm=dialog, says="End the freeze")


def freeze_form(carried: str = "") -> View:
    """The dialog: what a freeze does, and a field for the reason.

    Args:
        carried: What comes back with the answer, at most 3,000 characters.
    """
    said = (
        ":snowflake: *Nothing will start* until somebody ends the freeze, in no project. What is running goes on; requests and "
        "approvals are still taken. The approvals channel is told who froze and why."
    )
    return {
        "type": "modal",
        "callback_id": CALLBACK_ID,
        "title": m.plain("Freeze all migrations", 24),
        "submit": m.plain("Freeze", 24),
        "close": m.plain("Go back", 24),
        "private_metadata": carried,
        "blocks": [
            {"type": "section", "text": m.mrkdwn(said)},
            {
                "type": "input",
                "block_id": REASON,
                "optional": True,
                "label": m.plain("Why", 150),
                "element": {
                    "type": "plain_text_input",
                    "action_id": REASON,
                    "max_length": 500,
                },
            },
        ],
    }


def asked_reason(view: Mapping[str, Any]) -> str:
    """The reason that was sent with the dialog."""
    typed = view["state"]["values"].get(REASON, {}).get(REASON) or {}
    return str(typed.get("value") or "").strip()
