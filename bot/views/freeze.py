"""What the approvals channel is told when all migrations are frozen, and when they may start again."""

from datetime import datetime

from bot.views import message as m
from bot.views import text as t


def freeze_message(by: str, role: str, at: datetime, reason: str) -> m.Message:
    """Nothing starts from now on: who said so, when and why."""
    who = _who(by, role)
    said = f":snowflake: *All migrations are frozen* by {who}, {t.when(at)}."
    rest = "Nothing starts until somebody types `/migrate thaw`. What is running goes on; requests and approvals are still taken."
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
