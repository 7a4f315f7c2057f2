"""Where a migration stands, in sentences: what happened, in what state the data is, what to do now.

The root message, the thread and the notifications all take their sentences from here, so that they never contradict each other.
"""

from collections.abc import Callable, Sequence

from bot.views import text as t
from bot.views.card import MigrationCard, amount, place, place_plain
from engine.lifecycle import Status
from engine.model import CollectionReport, ErrorText, Progress, Report

RESUMABLE = "Resume continues from there."
PUT_BACK_FIRST = "A worker first releases the collections that were loaded only to be read"
"""Of a cancel."""


def headline(card: MigrationCard) -> str:
    """One whole sentence for notifications and screen readers, the status by word first."""
    places = f"{place_plain(card.source)} to {place_plain(card.target)}"
    size = f" ({amount(card.plan)})" if card.plan else ""
    subject = t.escape(f"migration {card.migration.id} of {places}{size}")
    return f"{card.word}: {subject} {_predicate(card)}"


def _predicate(card: MigrationCard) -> str:
    who = t.person(card.migration.requester)
    if card.canceling:
        return "is being canceled."
    if card.pausing:
        return "is being paused."
    return {
        Status.PLANNING: f"was requested by {who} and is being planned.",
        Status.AWAITING_APPROVAL: f"was requested by {who} and waits for approval.",
        Status.QUEUED: (
            "goes on as soon as a worker is free."
            if card.migration.started_at
            else "is approved and waits to start."
        ),
        Status.RUNNING: "is running.",
        Status.SUCCESSFUL: "is complete and verified.",
        Status.MISMATCHED: "ended, and the target differs from the source.",
        Status.FAILED: "has failed.",
        Status.CANCELED: "was canceled.",
        Status.REJECTED: "was rejected; nothing was written.",
        Status.EXPIRED: "was not approved in time; nothing was written.",
        Status.PAUSED: "is paused.",
        Status.UNDO_ASKED: "waits to be undone.",
        Status.UNDOING: "is being undone.",
        Status.UNDONE: "was undone.",
    }[card.migration.status]


def standing(card: MigrationCard) -> str:
    """The state in one to three sentences of mrkdwn, to stand behind the status word."""
    if card.canceling:
        stops = PUT_BACK_FIRST if card.putting_back else "It stops within 5 seconds"
        return f"canceling, asked by {_canceler(card)}. {stops}; what is copied stays."
    if card.pausing:
        return "pausing. It stops within seconds; what is copied stays."
    return _SAYERS[card.migration.status](card)


def _approvals(card: MigrationCard) -> str:
    left = card.approvals_needed - card.approved
    if card.approvals_needed == 1 or left < 1:
        return "approval"
    return f"{t.counted(left, 'more approval' if card.approved else 'approval')}"


def _queued(card: MigrationCard) -> str:
    if card.hold:
        return f":snowflake: approved, but it does not start now. {t.sentence(hold(card))}"
    if card.migration.started_at:
        return "starts as soon as a worker is free, and continues from what is already copied."
    return f"approved, {start(card)}. Nothing has been written."


def start(card: MigrationCard) -> str:
    """When what is approved starts for the first time: the end of a sentence."""
    if card.starts_at is None:
        return "starts as soon as a worker is free"
    return f"starts by itself {t.when(card.starts_at)}, or as soon after that as it can"


def _undo_asked(card: MigrationCard) -> str:
    if card.hold:
        return f":snowflake: an undo was asked for, but it does not begin now. {t.sentence(hold(card))}"
    begins = "an undo was asked for; it begins as soon as a worker is free."
    return f"{begins} Until then {place(card.target)} stays as it is."


def hold(card: MigrationCard) -> str:
    """Why it does not start, as mrkdwn; mentions are kept."""
    return t.keep_mentions(card.hold)


def _rejecter(card: MigrationCard) -> str:
    rejections = card.decided("rejected")
    return f" by {t.person(rejections[-1].user_id)}" if rejections else ""


def _canceler(card: MigrationCard) -> str:
    who = card.canceled_by or card.migration.cancel_requested_by
    return t.person(who) if who else "someone"


def verdict(card: MigrationCard) -> str:
    """What the verification found, in one sentence."""
    if card.report is not None:
        return report_verdict(card.report)
    if card.migration.status is Status.SUCCESSFUL:
        return "The target holds exactly what the source holds."
    return "The target differs from the source; the thread says where."


def report_verdict(report: Report) -> str:
    """What a report found, in one or two sentences of mrkdwn."""
    collections = report.collections
    verified = [collection for collection in collections if collection.verified]
    whole = t.counted(len(collections), "collection")
    differing = [c for c in collections if c.missing or c.extra or c.different]
    if differing:
        found = f"{_differences(differing)}, in {t.number(len(differing))} of {whole}."
        return t.joined((found, _unexplained(len(collections) - len(verified) - len(differing))))
    if collections and len(verified) == len(collections):
        checked = t.entities(sum(collection.source_entities for collection in collections))
        return f"{checked} in {whole} are proved equal on both sides."
    return f"{t.number(len(verified))} of {whole} verified; the notes say why not all."


def _differences(collections: Sequence[CollectionReport]) -> str:
    """All differences, in sum and by kind: "16 entities are not the same on both sides: 1 missing, 1 extra, 14 different"."""
    kinds = {
        "missing": sum(collection.missing for collection in collections),
        "extra": sum(collection.extra for collection in collections),
        "different": sum(collection.different for collection in collections),
    }
    total = sum(kinds.values())
    named = ", ".join(f"{t.number(count)} {kind}" for kind, count in kinds.items() if count)
    return (
        f"{t.entities(total)} {'is' if total == 1 else 'are'} not the same on both sides: {named}"
    )


def _unexplained(count: int) -> str:
    if count <= 0:
        return ""
    return f"{t.counted(count, 'more collection')} not verified; the notes say why."


def failure(card: MigrationCard, error: ErrorText | None = None) -> str:
    """What went wrong, in what state the data is, and what to do now, as one line of sentences; never empty."""
    return t.joined(_failure_parts(card, error))


def failure_lines(card: MigrationCard, error: ErrorText | None = None) -> str:
    """The same, a labelled line each."""
    labels = ("What happened", "The data", "What to do")
    parts = _failure_parts(card, error)
    return "\n".join(f"*{label}:* {part}" for label, part in zip(labels, parts, strict=True))


def _failure_parts(card: MigrationCard, error: ErrorText | None) -> tuple[str, str, str]:
    told = error or card.migration.error or ErrorText(code="", message="")
    message = told.message or "The migration stopped without a reason given."
    return (
        t.sentence(t.clip(t.prose(message), 700)),
        t.sentence(t.clip(t.prose(told.state), 400)) or stays_behind(card, advice=False),
        t.sentence(t.clip(t.prose(told.next_step), 400)) or _default_advice(card),
    )


def _default_advice(card: MigrationCard) -> str:
    return (
        "Put right what is named here, then press Resume."
        if card.resumable
        else "Put right what is named here, then ask again."
    )


def stays_behind(card: MigrationCard, *, advice: bool = True) -> str:
    """What a migration that did not finish leaves on the target, one or two sentences."""
    if card.migration.started_at is None:
        return "It had not started; nothing was written."
    go_on = RESUMABLE if advice and card.resumable else ""
    target = place(card.target)
    if card.progress is None:
        return t.joined((f"What was copied stays on {target}, incomplete and unverified.", go_on))
    return t.joined((_copied(card.progress, target), go_on))


def _copied(progress: Progress, target: str) -> str:
    """How much of the copy stands there, and how much of that is verified."""
    copied, whole = progress.copied, progress.entities
    if not copied:
        return f"No entity was copied; empty collections may stand on {target}."
    if copied < whole:
        stay = "stays" if copied == 1 else "stay"
        return f"{t.number(copied)} of {t.entities(whole)} {stay} on {target}, incomplete and unverified."
    there = f"{t.entities(whole)} {'is' if whole == 1 else 'are'} on {target}"
    if progress.verified >= whole:
        return t.joined((f"The copy is complete: {there}, all of them verified.", _last(progress)))
    verified = t.number(progress.verified) if progress.verified else "none"
    return f"The copy is complete: {there}, {verified} of them verified."


def _last(progress: Progress) -> str:
    """On how many collections what is done after the proof is not done yet."""
    waiting = sum(each.phase != "done" for each in progress.collections)
    if not waiting:
        return ""
    of = t.counted(len(progress.collections), "collection")
    return f"What comes last (lifetimes, aliases) is not set yet on {t.number(waiting)} of {of}."


_SAYERS: dict[Status, Callable[[MigrationCard], str]] = {
    Status.PLANNING: lambda _: (
        "reading the definitions and counts of both sides. Nothing has been written."
    ),
    Status.AWAITING_APPROVAL: lambda card: (
        f"waiting for {_approvals(card)}. Nothing has been written."
    ),
    Status.QUEUED: _queued,
    Status.RUNNING: lambda _: "running; the thread shows the progress.",
    Status.PAUSED: lambda card: f"paused. {stays_behind(card)}",
    Status.SUCCESSFUL: lambda card: f"complete. {verdict(card)}",
    Status.MISMATCHED: lambda card: (
        f"{verdict(card)} What was copied stays on {place(card.target)}."
    ),
    Status.FAILED: lambda card: f"the migration stopped.\n{failure_lines(card)}",
    Status.CANCELED: lambda card: f"canceled by {_canceler(card)}. {stays_behind(card)}",
    Status.REJECTED: lambda card: (
        f"the request was rejected{_rejecter(card)}. Nothing was written; a new request can be made."
    ),
    Status.EXPIRED: lambda _: (
        "nobody approved it in time. Nothing was written; a new request can be made."
    ),
    Status.UNDO_ASKED: _undo_asked,
    Status.UNDOING: lambda card: (
        f"being undone: unless someone else wrote to it, what this migration made on {place(card.target)} is dropped."
    ),
    Status.UNDONE: lambda card: (
        f"undone. What this migration made on {place(card.target)} was dropped."
    ),
}
