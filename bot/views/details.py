"""View Details, in the seed document's words: where a job stands, why it failed, and its log of what happened.

A modal for the one person who asked; it changes nothing and is not redrawn. No entity's values are in it, and no token.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from bot.notes import (
    BREAK_GLASS,
    COUNTED,
    FELL,
    FREED,
    FROZEN,
    HELD,
    NOT_STARTED,
    REFUSED,
    REMINDED,
    TICKED,
    UNFROZEN,
    WAITING,
    WORKER_LOST,
)
from bot.views import message as m
from bot.views import text as t
from bot.views.card import MigrationCard, status_line
from bot.views.progress import phase_word
from bot.views.root import decision_line, request_fields
from bot.views.standing import failure_lines, standing
from engine.lifecycle import EventName, Status
from engine.model import Event

View: TypeAlias = dict[str, Any]

CALLBACK_ID: Final = "ferry_details"
FERRY: Final = "ferry"
"""The actor of what nobody did."""
EVENTS: Final = 40
LOG: Final = 1_000
"""Entries that are read for it; they are counted where these are all that there are."""
_FIRST: Final = "requested"
"""The event that each migration begins with."""
LINE_CHARS: Final = 300
PART: Final = 10
"""Lines in one section: 10 of 290 characters fit it."""


def details_view(card: MigrationCard, events: Sequence[Event], link: str = "") -> View:
    """The modal.

    Args:
        card: The migration.
        events: What happened to it, oldest first, at most the last `LOG`; the last 40 are shown.
        link: The address of its message in Slack.
    """
    thread = f"<{link}|Open its thread>: the plan, the progress and the report." if link else ""
    blocks = [
        m.section(f"{status_line(card)} · {_standing(card)}"),
        request_fields(card),
        m.section(t.quote(card.migration.reason, 400)),
        m.section("\n".join(decision_line(each) for each in card.decisions[-5:])),
        m.section(_error(card)),
        m.section(_collections(card)),
        m.divider(),
        *_log(events),
        m.divider() if thread else None,
        m.section(thread),
    ]
    return {
        "type": "modal",
        "callback_id": CALLBACK_ID,
        "title": m.plain(card.migration.id, 24),
        "close": m.plain("Close", 24),
        "blocks": [block for block in blocks if block],
    }


def _standing(card: MigrationCard) -> str:
    """One sentence; a failure has a section of its own."""
    return "it stopped." if card.migration.status is Status.FAILED else standing(card)


def _error(card: MigrationCard) -> str:
    error = card.migration.error
    if error is None and card.migration.status is not Status.FAILED:
        return ""
    code = f" {t.code(error.code)}" if error and error.code else ""
    return f"*Error*{code}\n{failure_lines(card)}"


def _collections(card: MigrationCard) -> str:
    progress = card.progress
    if progress is None or not progress.collections:
        return ""
    lines = [
        f"{t.code(each.name, 48)}: {t.number(each.copied)} of {t.entities(each.entities)} copied, "
        f"{t.number(each.verified)} verified"
        for each in progress.collections
    ]
    return f"*Collections*\n{t.listing(lines, first=12, limit=2_000)}"


def _log(events: Sequence[Event]) -> Sequence[m.Block | None]:
    """The log, newest last, in sections of a few lines."""
    told = [
        each
        for before, each in zip((None, *events[:-1]), events, strict=True)
        if not _again(before, each)
    ]
    shown = told[-EVENTS:]
    head = "*Log*"
    if len(told) > EVENTS:
        of_all = f" of {t.number(len(told))}" if events[0].name == _FIRST else ""
        head += f" · the last {EVENTS}{of_all} entries"
    lines = [event_line(event) for event in shown] or ["Nothing has happened yet."]
    parts = [lines[at : at + PART] for at in range(0, len(lines), PART)]
    return (m.section(head), *(m.section("\n".join(part)) for part in parts))


def _again(before: Event | None, event: Event) -> bool:
    """Whether an entry says the same as the one before it: a worker notes a wait again and again."""
    return before is not None and (before.name, before.details) == (event.name, event.details)


def event_line(event: Event) -> str:
    """What happened, in one line: when, what, who, and why where it says so."""
    what = _WORDS.get(event.name, t.escape(event.name.replace("_", " ")))
    if event.name == "phase":
        what = phase_word(str(event.details.get("phase", "")))
    if event.name == TICKED:
        done = "ticked" if event.details.get("done") else "tick taken back"
        what = f"Checklist: “{str(event.details.get('step', '')).replace('_', ' ')}” {done}"
    if event.details.get(BREAK_GLASS):
        what = "Started without the approvals (break-glass)"
    nobody = not event.actor or event.actor == FERRY or ":" in event.actor  # a worker's name
    who = "" if nobody else f" · {t.person(event.actor)}"
    why = t.keep_mentions(t.shorten(" ".join(_why(event).split()), 160), 200)
    return t.joined((f"{t.when(event.at)} · {what}{who}", why), ": ")


def _why(event: Event) -> str:
    details = event.details
    error = details.get("error")
    if isinstance(error, dict):
        return f"{error.get('code', '')} {error.get('message', '')}".strip()
    if event.name == REFUSED:
        act, reason = str(details.get("act", "")), str(details.get("reason", ""))
        return f"{_ACTS.get(act, act)}: {_REFUSALS.get(reason, reason.replace('_', ' '))}"
    if event.name == FELL:
        return f"<@{details.get('user', '')}> may not approve any more"
    named = (details.get(name) for name in ("why", "reason", "comment", "last_words"))
    return next((value for value in named if isinstance(value, str) and value), "")


_ACTS: Final[dict[str, str]] = {
    "break_glass": "break the glass",
    "remigrate": "re-migrate",
    "tick": "tick a step",
    "untick": "take a tick back",
}
"""What somebody wanted, where the act's own name is no word."""
_REFUSALS: Final[dict[str, str]] = {
    "no_role": "they had no role for it",
    "own_request": "it was their own request",
    "plan_changed": "the plan had changed since",
    "already_counted": "their approval was there already",
    "already_canceling": "canceling was under way already",
    "already_undoing": "an undo was asked for already",
    "no_break_glass": "no channel is configured that would be told",
    "reason_missing": "they gave no reason",
    "not_ticked": "it was not ticked",
    "wrong_state": "it could not be done as it stood then",
    "impossible": "it could not be done then",
}
"""Why it was refused, where the reason's own name is no sentence."""
_WORDS: Final[dict[str, str]] = {
    "requested": "Requested",
    "plan_recorded": "Plan stored",
    EventName.PLANNED: "Put up for approval",
    EventName.ENQUEUE: "Queued",
    EventName.APPROVE: "Approved",
    EventName.REJECT: "Rejected",
    EventName.EXPIRE: "Expired: nobody approved it in time",
    EventName.CLAIM: "A worker began",
    EventName.SUCCEED: "Ended: SUCCESSFUL",
    EventName.MISMATCH: "Ended: MISMATCHED",
    EventName.FAIL: "Failed",
    EventName.CANCELED: "Ended: CANCELED",
    EventName.RELEASE: "Its process was shut down; it goes on from what is copied",
    EventName.RESCUE: "Its worker was lost; taken over",
    EventName.CANCEL: "Cancel asked for",
    EventName.RESUME: "Resumed",
    EventName.REPAIR: "Repair asked for",
    EventName.PAUSE: "Pause asked for",
    EventName.VERIFY: "Verification asked for",
    EventName.ASK_UNDO: "Undo asked for",
    EventName.KEEP: "Undo taken back",
    EventName.UNDO: "A worker began to undo it",
    EventName.UNDO_NOW: "Undo begun on the command line",
    EventName.DROP: "What it made is being dropped",
    EventName.UNDO_LEFT: "It could not be undone; nothing was dropped",
    EventName.UNDONE: "Undone",
    EventName.REOPEN: "What was planned has changed; back to approval",
    "throttled": "Throttle changed",
    "remigrated": "Re-migration asked for",
    TICKED: "Checklist",
    FROZEN: "Frozen while it waits for approval",
    UNFROZEN: "Not frozen any more",
    REFUSED: "A click was refused",
    COUNTED: "An approval was counted; more are needed",
    FELL: "An approval does not count any more",
    HELD: "It is due and does not start",
    FREED: "What kept it from starting is over",
    REMINDED: "Approvers were reminded",
    NOT_STARTED: "It could not be started",
    WAITING: "Waits for a server",
    WORKER_LOST: "A worker process ended without finishing",
}
"""What happened, in the words of the Jobs page's log."""
