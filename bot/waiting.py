"""What a migration waits for before it starts: decisions until it expires, and the end of a freeze.

`Holds` asks the ledger and the configuration; it changes nothing and talks to nobody.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from bot.ledger import BotLedger, Freeze, Verdict
from bot.settings import Policy, Settings
from engine.ledger import Ledger
from engine.lifecycle import DUE, HELD
from engine.model import Migration

_UTC: Final = "%Y-%m-%d %H:%M UTC"


def expires_at(since: datetime, policy: Policy) -> datetime:
    """When a request that was put up for approval at `since` expires."""
    return since + timedelta(hours=policy.request_expires_hours)


def reminder_due(
    since: datetime, policy: Policy, now: datetime, told: Collection[float]
) -> float | None:
    """The reminder to send now, as the hours before the end that it is meant for; None when there is none.

    Args:
        since: When it was put up for approval.
        policy: When it expires and when to remind.
        now: Aware.
        told: The reminders that were sent since then. One that was missed is not sent after a later one.
    """
    left = expires_at(since, policy) - now
    due = [
        hours
        for hours in policy.reminders_hours
        if hours < policy.request_expires_hours and timedelta() < left <= timedelta(hours=hours)
    ]
    latest = min(due, default=None)
    if latest is None or any(hours <= latest for hours in told):
        return None
    return latest


def why_frozen(freeze: Freeze | None, policy: Policy, now: datetime, *, forced: bool) -> str:
    """Why nothing starts on a target now, plain text with mentions; "" when something may.

    A person's freeze holds everything. A window of the configuration does not hold what was forced by breaking the glass.
    """
    if freeze is not None:
        because = f": {freeze.reason}" if freeze.reason else ""
        return f"<@{freeze.by}> has frozen all migrations since {freeze.at:{_UTC}}{because}"
    window = None if forced else policy.window_at(now)
    if window is None:
        return ""
    because = f": {window[0].reason}" if window[0].reason else ""
    return f"A freeze is configured for this target until {window[1]:{_UTC}}{because}"


class Holds:
    """Says what holds a migration that may start.

    Args:
        ledger: What happened to it.
        records: Freezes and decisions.
        settings: The configured windows.
    """

    def __init__(self, ledger: Ledger, records: BotLedger, settings: Settings) -> None:
        self._ledger = ledger
        self._records = records
        self._settings = settings

    def why(self, migration: Migration, now: datetime) -> str:
        """Why it does not start, or ""; what was running goes on, because its source's writes are paused.

        An undo that was begun goes on as well: what is dropped in part is of no use to anybody.
        """
        if migration.status not in DUE:
            return ""
        policy = self._settings.policy_of(migration.request.target)
        freeze = self._records.open_freeze()
        if freeze is None and policy.window_at(now) is None:
            return ""
        last = self._ledger.last_change(migration.id)
        if last is not None and last.from_status in HELD:
            return ""
        decisions = self._records.decisions(migration.id)
        forced = bool(decisions) and decisions[-1].verdict is Verdict.FORCED
        return why_frozen(freeze, policy, now, forced=forced)
