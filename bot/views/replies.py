"""Short replies in a migration's thread: one for each event worth telling, because edits of a message notify nobody.

Every reply is a whole message with the status word first. An event that people need not hear of gives None. Nothing is decided
here; the words for refusals are in `refusals.py`.
"""

from collections.abc import Callable

from bot.views import message as m
from bot.views import text as t
from bot.views.card import EMOJI, MigrationCard, amount, place
from bot.views.refusals import refusal
from bot.views.standing import failure, stays_behind, verdict
from engine.lifecycle import EventName, Status
from engine.model import Event

__all__ = ["TOLD_PHASES", "refusal", "reply"]

TOLD_PHASES = frozenset({"verify"})
"""The phases whose start is worth a notification; the others show in the progress message alone."""


def reply(card: MigrationCard, event: Event) -> m.Message | None:
    """The thread reply to an event, or None when it is not worth one.

    Args:
        card: The migration as it stands after the event.
        event: What happened; `details` may carry role, comment, reason, phase and sentence.
    """
    said = _SAYERS.get(event.name, _silent)(card, event)
    if said is None:
        return None
    word, sentence, comment = said
    emoji = EMOJI.get(word, "")
    line = t.joined((emoji, f"*{word}*", "·", sentence))
    subject = t.code(card.migration.id)
    return m.message(
        f"{word}: migration {t.escape(card.migration.id)}: {sentence}",
        m.section(line),
        m.section(t.quote(comment, 400)),
        m.context(subject),
    )


_Said = tuple[str, str, str]
"""Status word, finished mrkdwn sentences, and what a person wrote (not escaped)."""


def _detail(event: Event, name: str) -> str:
    value = event.details.get(name)
    return value if isinstance(value, str) else ""


def _by(event: Event, role: str = "") -> str:
    named = role or _detail(event, "role")
    return t.person(event.actor) + (f" ({t.clip(named, 60)})" if named else "")


def _silent(_card: MigrationCard, _event: Event) -> _Said | None:
    return None


def _planned(card: MigrationCard, _event: Event) -> _Said:
    size = f": {amount(card.plan)}" if card.plan else ""
    waits = "Nothing has been written; it waits for approval."
    return "PENDING", f"The plan is ready{size}. {waits}", ""


def _enqueue(_card: MigrationCard, event: Event) -> _Said:
    return "PENDING", f"Queued by {_by(event)}.", ""


def _approve(card: MigrationCard, event: Event) -> _Said:
    decision = _decision(card, event, "approved")
    due = card.migration.due_at
    start = f"It starts {t.when(due)}." if due else "It starts now."
    return "PENDING", f"Approved by {_by(event, decision[0])}. {start}", decision[1]


def _reject(card: MigrationCard, event: Event) -> _Said:
    decision = _decision(card, event, "rejected")
    ends = "Nothing was written; the request has ended."
    return "CANCELED", f"Rejected by {_by(event, decision[0])}. {ends}", decision[1]


def _decision(card: MigrationCard, event: Event, verdict_: str) -> tuple[str, str]:
    """Role and comment, from the bot's own record of the decision where it has one."""
    for decision in reversed(card.decided(verdict_)):
        if decision.user_id == event.actor:
            return decision.role, decision.comment
    return "", _detail(event, "comment") or _detail(event, "reason")


def _expire(_card: MigrationCard, _event: Event) -> _Said:
    return (
        "CANCELED",
        "Nobody approved it in time. Nothing was written; ask again when it is needed.",
        "",
    )


def _claim(card: MigrationCard, event: Event) -> _Said:
    attempt = event.details.get("attempts", card.migration.attempts)
    if isinstance(attempt, int) and attempt > 1:
        again = f"Started again (attempt {attempt}); it continues from what is already copied."
        return "IN PROGRESS", again, ""
    return (
        "IN PROGRESS",
        f"Started. Writes to {place(card.source)} must stay paused until it has ended.",
        "",
    )


def _phase(card: MigrationCard, event: Event) -> _Said | None:
    if _detail(event, "phase") not in TOLD_PHASES:
        return None
    copied = f" ({t.entities(card.progress.copied)})" if card.progress else ""
    compared = "Now everything on the target is read again and compared with the source."
    return "IN PROGRESS", f"The copy is complete{copied}. {compared}", ""


def _cancel(card: MigrationCard, event: Event) -> _Said:
    if card.migration.status is Status.CANCELED:
        return (
            "CANCELED",
            f"Canceled by {_by(event)}. {stays_behind(card)}",
            _detail(event, "reason"),
        )
    asked = f"{_by(event)} asked to cancel. It stops within one chunk; what is copied stays."
    return card.word, asked, _detail(event, "reason")


def _canceled(card: MigrationCard, _event: Event) -> _Said:
    who = card.canceled_by or card.migration.cancel_requested_by
    by = f" by {t.person(who)}" if who else ""
    return "CANCELED", f"Canceled{by}. {stays_behind(card)}", ""


def _release(card: MigrationCard, _event: Event) -> _Said:
    if card.migration.status is Status.CANCELED:
        return _canceled(card, _event)
    return (
        "PENDING",
        "Its process was shut down; it goes on by itself from what is copied. Nothing is lost.",
        "",
    )


def _rescue(card: MigrationCard, event: Event) -> _Said:
    if card.migration.status is Status.CANCELED:
        return _canceled(card, event)
    if card.migration.status is Status.FAILED:
        return _fail(card, event)
    lost = "Its process was lost. Another one takes over and continues from what is copied; a chunk in doubt is written again."
    return "PENDING", lost, ""


def _resume(card: MigrationCard, event: Event) -> _Said:
    return (
        "PENDING",
        f"Resumed by {_by(event)}. It continues from what is already on {place(card.target)}.",
        "",
    )


def _fail(card: MigrationCard, _event: Event) -> _Said:
    return "FAILED", failure(card.migration.error, card), ""


def _succeed(card: MigrationCard, _event: Event) -> _Said:
    now = f"{place(card.target)} can be used."
    return "SUCCESSFUL", f"{verdict(card)} {now}", ""


def _mismatch(card: MigrationCard, _event: Event) -> _Said:
    advice = "Do not switch over yet; the report says which entities, and Re-migrate asks to copy those collections again."
    return "MISMATCHED", f"{verdict(card)} {advice}", ""


_SAYERS: dict[str, Callable[[MigrationCard, Event], _Said | None]] = {
    EventName.PLANNED: _planned,
    EventName.ENQUEUE: _enqueue,
    EventName.APPROVE: _approve,
    EventName.REJECT: _reject,
    EventName.EXPIRE: _expire,
    EventName.CLAIM: _claim,
    EventName.CANCEL: _cancel,
    EventName.CANCELED: _canceled,
    EventName.RELEASE: _release,
    EventName.RESCUE: _rescue,
    EventName.RESUME: _resume,
    EventName.FAIL: _fail,
    EventName.SUCCEED: _succeed,
    EventName.MISMATCH: _mismatch,
    "phase": _phase,
}
