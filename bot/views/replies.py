"""Short replies in a migration's thread: one for each event worth telling, because edits of a message notify nobody.

Every reply is a whole message with the status word first. An event that people need not hear of gives None. Nothing is decided
here; the words for refusals are in `refusals.py`.
"""

from collections.abc import Callable
from datetime import timedelta

from bot.notes import (
    BREAK_GLASS,
    COUNTED,
    FELL,
    FREED,
    HELD,
    NOT_STARTED,
    REMIGRATED,
    REMINDED,
    THROTTLED,
    WAITING,
)
from bot.views import message as m
from bot.views import text as t
from bot.views import undo
from bot.views.card import EMOJI, MigrationCard, amount, place
from bot.views.refusals import refusal
from bot.views.said import Said, by, detail
from bot.views.said import error as error_of
from bot.views.standing import (
    PUT_BACK_FIRST,
    failure,
    failure_lines,
    start,
    stays_behind,
    verdict,
)
from engine.lifecycle import EventName, Status
from engine.model import Event, Throttle

__all__ = ["TOLD_PHASES", "refusal", "reply"]

LATE = timedelta(minutes=1)
"""A start that is later than this after its time says so."""
CHANGES = 12
CHANGE_CHARS = 220
TOLD_PHASES = frozenset({"verify"})
"""The phases whose start is worth a notification; the others show in the progress message alone."""


def reply(card: MigrationCard, event: Event) -> m.Message | None:
    """The thread reply to an event, or None when it is not worth one.

    Args:
        card: The migration as it stands after the event.
        event: What happened; `details` may carry role, comment, reason, phase and sentence.
    """
    sayer = _unverified if event.leaves_unverified else _SAYERS.get(event.name, _silent)
    said = sayer(card, event)
    if said is None:
        return None
    told = said.lines or said.sentence
    return m.message(
        f"{said.word}: migration {t.escape(card.migration.id)}: {said.sentence}",
        m.section(f"{EMOJI.get(said.word, '')} *{said.word}* · {told}"),
        m.section(t.quote(said.comment, 400)),
    )


def _silent(_card: MigrationCard, _event: Event) -> Said | None:
    return None


def _planned(card: MigrationCard, _event: Event) -> Said:
    size = f": {amount(card.plan)}" if card.plan else ""
    waits = "Nothing has been written; it waits for approval."
    return Said("PENDING", f"The plan is ready{size}. {waits}")


def _enqueue(_card: MigrationCard, event: Event) -> Said:
    return Said("PENDING", f"Queued by {by(event)}.")


def _approve(card: MigrationCard, event: Event) -> Said:
    if event.details.get(BREAK_GLASS):
        forced = "started it without the approvals (break-glass)."
        waits = f" It {start(card)}." if card.starts_at else ""
        return Said("PENDING", f"{by(event)} {forced}{waits}", detail(event, "comment"))
    role, comment = _decision(card, event, "approved")
    return Said("PENDING", f"Approved by {by(event, role)}. It {start(card)}.", comment)


def _counted(_card: MigrationCard, event: Event) -> Said:
    there, needed = event.details.get("approvals"), event.details.get("needed")
    waits = "It waits for the approval of somebody else; nothing has been written."
    count = f"{there} of {needed}" if there and needed else "one of several"
    return Said(
        "PENDING",
        f"Approved by {by(event)}, {count}. {waits}",
        detail(event, "comment"),
    )


def _fell(_card: MigrationCard, event: Event) -> Said:
    who = t.person(detail(event, "user"))
    return Said(
        "PENDING", f"The approval of {who} does not count any more: they may not approve any more."
    )


def _held(_card: MigrationCard, event: Event) -> Said:
    why = t.sentence(t.keep_mentions(detail(event, "why")))
    return Said("PENDING", f"It does not start now. {why} It starts by itself afterwards.")


def _freed(_card: MigrationCard, _event: Event) -> Said:
    return Said("PENDING", "What held it is over; it starts as soon as a worker is free.")


def _reopen(_card: MigrationCard, event: Event) -> Said:
    found = event.details.get("changes")
    changes = [str(each) for each in found] if isinstance(found, list) else []
    shown = [t.clip(t.visible(each), CHANGE_CHARS) for each in changes[:CHANGES]]
    void = (
        "What was approved is not what would run now, so the approvals are void. "
        "It is planned again and then needs approval again. Nothing has been written."
    )
    lines = t.listing(shown, first=CHANGES, limit=1_800, total=len(changes))
    return Said("PENDING", void, lines=t.joined((void, lines), "\n"))


def _not_started(card: MigrationCard, event: Event) -> Said:
    error = error_of(event)
    undoes = card.migration.status is Status.UNDO_ASKED
    stays = "Nothing is dropped until then" if undoes else "It is approved and stays so"
    what = "its undo cannot be started" if undoes else "it cannot be started"
    return Said(
        card.word,
        f"{what[0].upper()}{what[1:]}. {failure(card, error)}",
        lines=f"{what}. {stays}; it is tried again by itself.\n{failure_lines(card, error)}",
    )


def _waiting(_card: MigrationCard, event: Event) -> Said:
    why = t.sentence(t.escape(t.prose(detail(event, "reason"))))
    return Said("IN PROGRESS", f"It waits. {why} Nothing is lost; it goes on by itself.")


def _throttled(card: MigrationCard, event: Event) -> Said:
    limits = {name: event.details.get(name) for name in Throttle.model_fields}
    if not any(limits.values()):
        return Said(card.word, f"{by(event)} lifted the throttle; it copies as fast as it can.")
    allowed = t.escape(str(Throttle.model_validate(limits)))
    return Said(card.word, f"{by(event)} throttled it: it copies at most {allowed}.")


def _reminded(card: MigrationCard, _event: Event) -> Said:
    until = f" {t.when(card.expires_at)}" if card.expires_at else " soon"
    who = t.keep_mentions(card.approvers)
    ask = f" Who may approve: {who}." if who else ""
    there = f"{t.number(card.approved)} of {t.number(card.approvals_needed)} approvals are there"
    stands = there if card.approved else "Nobody has decided yet"
    return Said("PENDING", f"{stands}; the request expires{until}.{ask}")


def _reject(card: MigrationCard, event: Event) -> Said:
    role, comment = _decision(card, event, "rejected")
    ends = "Nothing was written; the request has ended."
    return Said("CANCELED", f"Rejected by {by(event, role)}. {ends}", comment)


def _decision(card: MigrationCard, event: Event, verdict_: str) -> tuple[str, str]:
    """Role and comment, from the bot's own record of the decision where it has one."""
    for decision in reversed(card.decided(verdict_)):
        if decision.user_id == event.actor:
            return decision.role, decision.comment
    return "", detail(event, "comment") or detail(event, "reason")


def _expire(_card: MigrationCard, _event: Event) -> Said:
    late = "Nobody approved it in time. Nothing was written; ask again when it is needed."
    return Said("CANCELED", late)


def _claim(card: MigrationCard, event: Event) -> Said:
    first = card.migration.started_at
    if event.from_status is Status.QUEUED and _was_canceled(card, event):
        return Said("IN PROGRESS", f"{PUT_BACK_FIRST}, then ends it as canceled.")
    if event.details.get("verifies"):
        return Said("IN PROGRESS", "The verification has begun; nothing is copied.")
    if first is not None and first < event.at:
        return Said("IN PROGRESS", "Started again; it continues from what is already copied.")
    paused = f"Writes to {place(card.source)} must stay paused until it has ended."
    return Said("IN PROGRESS", t.joined(("Started.", _late(card, event), paused)))


def _late(card: MigrationCard, event: Event) -> str:
    """That it started after its time, and what may have kept it; what held it was told before."""
    due, cleared = card.migration.due_at, card.migration.cleared_at
    if due is None or event.at - max(due, cleared or due) < LATE:
        return ""
    return (
        f"It was to start {t.when(due)}; this is the first moment at which that was possible "
        "(Ferry was not running, no worker was free, or something held it)."
    )


def _phase(card: MigrationCard, event: Event) -> Said | None:
    if detail(event, "phase") not in TOLD_PHASES or event.details.get("again"):
        return None  # that a new verification has begun was told
    copied = f" ({t.entities(card.progress.copied)})" if card.progress else ""
    compared = "Now everything on the target is read again and compared with the source."
    return Said("IN PROGRESS", f"The copy is complete{copied}. {compared}")


def _cancel(card: MigrationCard, event: Event) -> Said:
    reason = detail(event, "reason")
    if card.migration.status is Status.CANCELED:
        return Said("CANCELED", f"Canceled by {by(event)}. {stays_behind(card)}", reason)
    asked = f"{by(event)} asked to cancel."
    if event.to_status is Status.QUEUED:
        return Said("PENDING", f"{asked} {PUT_BACK_FIRST}; what is copied stays.", reason)
    return Said("IN PROGRESS", f"{asked} It stops within 5 seconds; what is copied stays.", reason)


def _was_canceled(card: MigrationCard, event: Event) -> bool:
    """Whether somebody had asked to cancel before an event, and it was not resumed since."""
    asked = card.migration.cancel_requested_at
    return asked is not None and asked < event.at


def _canceled(card: MigrationCard, _event: Event) -> Said:
    who = card.canceled_by or card.migration.cancel_requested_by
    by = f" by {t.person(who)}" if who else ""
    return Said("CANCELED", f"Canceled{by}. {stays_behind(card)}")


def _pause(card: MigrationCard, event: Event) -> Said:
    if card.migration.status is Status.PAUSED:
        return Said("IN PROGRESS", f"Paused by {by(event)}. {stays_behind(card)}")
    asked = f"{by(event)} asked to pause. It stops within seconds; what is copied stays."
    return Said("IN PROGRESS", asked)


def _paused(card: MigrationCard) -> Said:
    return Said("IN PROGRESS", f"Paused. {stays_behind(card)}")


def _release(card: MigrationCard, event: Event) -> Said:
    if event.from_status is Status.UNDOING:
        return undo.let_go(card, event, "Its process was shut down.")
    if card.migration.status is Status.CANCELED:
        return _canceled(card, event)
    if card.migration.status is Status.PAUSED:
        return _paused(card)
    paused = "Its process was shut down; it goes on by itself from what is copied. Nothing is lost."
    return Said("PENDING", paused)


def _rescue(card: MigrationCard, event: Event) -> Said:
    if event.from_status is Status.UNDOING:
        return undo.let_go(card, event, "Its process was lost.")
    if card.migration.status is Status.CANCELED:
        return _canceled(card, event)
    if card.migration.status is Status.PAUSED:
        return _paused(card)
    if card.migration.status is Status.FAILED:
        return _fail(card, event)
    if _was_canceled(card, event):
        return Said("PENDING", f"Its process was lost. {PUT_BACK_FIRST}, then ends it as canceled.")
    lost = "Its process was lost. Another one takes over and continues from what is copied; what is in doubt is written again."
    return Said("PENDING", lost)


def _resume(card: MigrationCard, event: Event) -> Said:
    if event.from_status is Status.RUNNING:
        return Said("IN PROGRESS", f"{by(event)} took the pause back. It goes on.")
    there = f"It continues from what is already on {place(card.target)}."
    return Said("PENDING", f"Resumed by {by(event)}. {there}")


def _repair(card: MigrationCard, event: Event) -> Said:
    only = f"Just the entities that differ are copied to {place(card.target)} or deleted there, and verified again."
    return Said("PENDING", f"Repair asked for by {by(event)}. {only}")


def _remigrated(card: MigrationCard, event: Event) -> Said:
    again = t.code(detail(event, "as"))
    rest = f"What is on {place(card.target)} stays until that is approved; only what is verified there is to be used."
    return Said(
        card.word,
        f"Re-migration asked for by {by(event)}: it is {again}, a request of its own. {rest}",
    )


def _verify(card: MigrationCard, event: Event) -> Said:
    reads = f"Everything on {place(card.target)} is read again and compared with all of the source as it is now; nothing is copied."
    until = "Until it has ended the migration does not count as verified."
    return Said("PENDING", f"Verification asked for by {by(event)}. {reads} {until}")


def _unverified(card: MigrationCard, event: Event) -> Said:
    error = error_of(event)
    stands = f"It was not verified again and stands as it had ended; nothing was written to {place(card.target)}."
    if error is None:
        who = f" by {by(event)}" if event.name == EventName.CANCEL else ""
        return Said(card.word, f"Canceled{who}. {stands}", detail(event, "reason"))
    lines = f"{stands}\n{failure_lines(card, error)}"
    return Said(card.word, f"{stands} {failure(card, error)}", lines=lines)


def _fail(card: MigrationCard, event: Event) -> Said:
    error = error_of(event)
    return Said("FAILED", failure(card, error), lines=f"it stopped.\n{failure_lines(card, error)}")


def _succeed(card: MigrationCard, _event: Event) -> Said:
    now = f"{place(card.target)} can be used."
    return Said("SUCCESSFUL", f"{verdict(card)} {now}")


def _mismatch(card: MigrationCard, _event: Event) -> Said:
    advice = (
        "Do not switch over yet; the report says which entities. Repair mends just those; Re-migrate asks to delete and copy "
        "their collections again."
    )
    return Said("MISMATCHED", f"{verdict(card)} {advice}")


_SAYERS: dict[str, Callable[[MigrationCard, Event], Said | None]] = {
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
    EventName.REPAIR: _repair,
    EventName.PAUSE: _pause,
    EventName.VERIFY: _verify,
    EventName.ASK_UNDO: undo.asked,
    EventName.KEEP: undo.kept,
    EventName.UNDO: undo.begun,
    EventName.UNDO_NOW: undo.begun,
    EventName.DROP: undo.drops,
    EventName.UNDO_LEFT: undo.left,
    EventName.UNDONE: undo.undone,
    EventName.FAIL: _fail,
    EventName.SUCCEED: _succeed,
    EventName.MISMATCH: _mismatch,
    "phase": _phase,
    EventName.REOPEN: _reopen,
    COUNTED: _counted,
    FELL: _fell,
    HELD: _held,
    FREED: _freed,
    NOT_STARTED: _not_started,
    REMINDED: _reminded,
    REMIGRATED: _remigrated,
    THROTTLED: _throttled,
    WAITING: _waiting,
}
