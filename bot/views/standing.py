"""Where a migration stands, in sentences: what happened, in what state the data is, what to do now.

The root message, the thread and the notifications all take their sentences from here, so that they never contradict each other.
"""

from bot.views import text as t
from bot.views.card import MigrationCard, amount, place, place_plain
from engine.lifecycle import Status
from engine.model import ErrorText, Report

RESUMABLE = "Resume continues from there."


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
    return {
        Status.PLANNING: f"was requested by {who} and is being planned.",
        Status.AWAITING_APPROVAL: f"was requested by {who} and waits for approval.",
        Status.QUEUED: "is approved and waits to start.",
        Status.RUNNING: "is running.",
        Status.SUCCESSFUL: "is complete and verified.",
        Status.MISMATCHED: "ended, and the target differs from the source.",
        Status.FAILED: "has failed.",
        Status.CANCELED: "was canceled.",
        Status.REJECTED: "was rejected; nothing was written.",
        Status.EXPIRED: "was not approved in time; nothing was written.",
    }[card.migration.status]


def standing(card: MigrationCard) -> str:
    """The state in one to three sentences of mrkdwn, to stand behind the status word."""
    if card.canceling:
        return f"canceling, asked by {_canceler(card)}. It stops within one chunk; what is copied stays."
    match card.migration.status:
        case Status.PLANNING:
            return "reading the definitions and counts of both sides. Nothing has been written."
        case Status.AWAITING_APPROVAL:
            return "waiting for approval. Nothing has been written."
        case Status.QUEUED:
            return _queued(card)
        case Status.RUNNING:
            return "the thread shows the progress."
        case _:
            return _ending(card)


def _queued(card: MigrationCard) -> str:
    due = card.migration.due_at
    start = f"starts {t.when(due)}" if due else "starts as soon as a worker is free"
    if card.migration.started_at:
        return f"{start}, and continues from what is already copied."
    return f"approved, {start}. Nothing has been written."


def _ending(card: MigrationCard) -> str:
    match card.migration.status:
        case Status.SUCCESSFUL:
            return f"complete. {verdict(card)}"
        case Status.MISMATCHED:
            return f"{verdict(card)} What was copied stays on {place(card.target)}."
        case Status.FAILED:
            return failure(card.migration.error, card)
        case Status.CANCELED:
            return f"canceled by {_canceler(card)}. {stays_behind(card)}"
        case Status.REJECTED:
            return f"the request was rejected{_rejecter(card)}. Nothing was written; a new request can be made."
        case _:
            return "nobody approved it in time. Nothing was written; a new request can be made."


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
    """What a report found, in one sentence of mrkdwn."""
    collections = report.collections
    verified = sum(1 for collection in collections if collection.verified)
    checked = sum(collection.source_entities for collection in collections)
    differences = difference_counts(report)
    if differences:
        where = sum(1 for c in collections if c.missing or c.extra or c.different)
        found = f"in {t.number(where)} of {t.counted(len(collections), 'collection')}"
        return f"Compared with the source, {differences} on the target, {found}."
    if verified == len(collections) and verified:
        whole = t.counted(verified, "collection")
        return f"{whole} with {t.entities(checked)}: every one is proved equal on both sides."
    return f"{t.number(verified)} of {t.counted(len(collections), 'collection')} are verified."


def difference_counts(report: Report) -> str:
    """All differences by kind: "1 entity missing, 2 extra, 1 different", or nothing."""
    missing = sum(collection.missing for collection in report.collections)
    extra = sum(collection.extra for collection in report.collections)
    different = sum(collection.different for collection in report.collections)
    kinds = ((missing, "missing"), (extra, "extra"), (different, "different"))
    found = [f"{t.number(count)} {kind}" for count, kind in kinds if count]
    if not found:
        return ""
    first, _, rest = found[0].partition(" ")
    noun = "entity" if first == "1" else "entities"
    verb = "is" if missing + extra + different == 1 else "are"
    return ", ".join((f"{first} {noun} {verb} {rest}", *found[1:]))


def failure(error: ErrorText | None, card: MigrationCard) -> str:
    """What went wrong, in what state the data is, and what to do now; never empty."""
    message = (
        error.message
        if error and error.message
        else "The migration stopped without a reason given."
    )
    state = t.clip(t.prose(error.state), 600) if error and error.state else stays_behind(card)
    advice = error.next_step if error and error.next_step else _default_advice(card)
    parts = (t.clip(t.prose(message), 900), state, t.clip(t.prose(advice), 600))
    return t.joined(t.sentence(part) for part in parts)


def _default_advice(card: MigrationCard) -> str:
    return (
        "Mend the cause, then press Resume."
        if card.resumable
        else "Mend the cause, then ask again."
    )


def stays_behind(card: MigrationCard) -> str:
    """What a migration that did not finish leaves on the target, one or two sentences."""
    if card.migration.started_at is None:
        return "It had not started; nothing was written."
    copied = card.progress.copied if card.progress else None
    if copied == 0:
        return f"No entity was copied; empty collections may stand on {place(card.target)}. {RESUMABLE}"
    what = "What was copied"
    if card.progress and copied:
        what = f"{t.number(copied)} of {t.entities(card.progress.entities)}"
    return f"{what} stay on {place(card.target)}, incomplete and unverified. {RESUMABLE}"
