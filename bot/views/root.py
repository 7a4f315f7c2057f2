"""The root message of a migration in the approvals channel: the request, the plan, who decided, and where it stands.

It is rendered whole from the card at every change of state, from the request to the last day, and always keeps who asked and who
decided. It never shows progress figures: those are in the thread (`progress.py`).
"""

from collections.abc import Sequence

from bot.views import buttons
from bot.views import message as m
from bot.views import text as t
from bot.views.card import (
    Decision,
    MigrationCard,
    amount,
    deleted_amount,
    on_target,
    place,
    route_plain,
    status_line,
)
from bot.views.standing import headline, standing
from engine.lifecycle import Status
from engine.model import CollectionPlan, Plan

ROWS = 30
LINES = 8
LINE_CHARS = 220

WRITE_FREEZE = (
    ":lock: *Writes to the source must be paused* from the start until the verification has ended. Ferry does not pause them. "
    "What is written meanwhile may not reach the target."
)


def root_message(card: MigrationCard) -> m.Message:
    """The root message for the card's state; buttons only where they do something."""
    return m.message(
        headline(card),
        m.header(f"Migrate {route_plain(card)}"),
        m.section(f"{status_line(card)} · {standing(card)}"),
        request_fields(card),
        m.section(t.quote(card.migration.reason)),
        *(_plan_blocks(card, card.plan) if card.plan else ()),
        *_warnings(card),
        _changes(card),
        _decisions(card),
        _approvers(card),
        m.actions("acts", *buttons.for_status(card), buttons.details(card)),
        _footer(card),
    )


def request_fields(card: MigrationCard) -> m.Block | None:
    """Source, target, who asked, what moves, and the times, two columns."""
    migration = card.migration
    asked = f"{t.person(migration.requester)}, {t.when(migration.created_at)}"
    return m.fields(
        ("Source (read only)", place(card.source)),
        ("Target (written to)", place(card.target)),
        ("Requested by", asked),
        ("Plan", amount(card.plan) if card.plan else "being made"),
        ("Migration Type", "Offline Migration"),
        ("Starts", _starts(card)),
        ("Throttle", _throttle(card)),
        ("Source check", "all of it is read again" if migration.request.check_source else ""),
        ("Expires", t.when(card.expires_at) if card.expires_at else ""),
        ("Started", t.when(migration.started_at) if migration.started_at else ""),
        ("Ended", _ended(card)),
    )


def _starts(card: MigrationCard) -> str:
    """When it will start; nothing once it has started or ended."""
    if card.ended or card.migration.started_at:
        return ""
    queued = card.migration.status is Status.QUEUED
    if card.hold and (queued or card.starts_at is None):
        return "when what holds it is over"
    if card.starts_at is not None:
        at = t.when(card.starts_at)
        return at if queued else f"{at}, or when it is approved if that is later"
    return "as soon as a worker is free" if queued else "as soon as it is approved"


def _throttle(card: MigrationCard) -> str:
    throttle = card.migration.throttle
    return "" if throttle is None or card.ended else f"at most {t.escape(str(throttle))}"


def _ended(card: MigrationCard) -> str:
    started, ended = card.migration.started_at, card.migration.ended_at
    if ended is None:
        return ""
    if started is None:
        return t.when(ended)
    return f"{t.when(ended)}, after {t.duration((ended - started).total_seconds())}"


def _plan_blocks(card: MigrationCard, plan: Plan) -> Sequence[m.Block | None]:
    open_for_decision = card.migration.status is Status.AWAITING_APPROVAL
    if card.ended and card.migration.cleared_at is None:
        return ()  # it went no further than a plan
    return (
        _collections(plan) if open_for_decision else None,
        _hidden_rows(plan) if open_for_decision else None,
        deletions(card),
        _expected(card),
        _losses(card, plan),
    )


def _expected(card: MigrationCard) -> m.Block | None:
    """How long it will take, and where the rest of the plan is."""
    if not card.expected:
        return None
    said = f"*Expected duration:* {t.escape(card.expected)} The full plan is a file in the thread."
    return m.section(said)


def _collections(plan: Plan) -> m.Block | None:
    columns = (
        m.Column("Collection"),
        m.Column("Entities", numeric=True),
        m.Column("Size", numeric=True),
        m.Column("Partitions", numeric=True),
        m.Column("On the target"),
    )
    rows = [_row(collection) for collection in _shown_first(plan)[:ROWS]]
    return m.table(columns, rows)


def _row(collection: CollectionPlan) -> tuple[str, ...]:
    partitions = "by key" if collection.partition_key else t.number(len(collection.partitions))
    return (
        collection.name,
        t.number(collection.entities),
        t.size(collection.bytes),
        partitions,
        on_target(collection),
    )


def _shown_first(plan: Plan) -> list[CollectionPlan]:
    """What deletes something first: the approver must not overlook it."""
    return sorted(plan.collections, key=lambda collection: collection.replaces is None)


def _hidden_rows(plan: Plan) -> m.Block | None:
    hidden = _shown_first(plan)[ROWS:]
    if not hidden:
        return None
    total = sum(collection.entities for collection in hidden)
    more = t.counted(len(hidden), "more collection")
    return m.context(f"and {more} with {t.entities(total)}, all part of this migration")


def deletions(card: MigrationCard) -> m.Block | None:
    """What is deleted on the target, by name and count; nothing where nothing is."""
    if card.plan is None or not card.replaces:
        return None
    will = "Approved to be" if card.migration.cleared_at else "Will be"
    title = f":warning: *{will} DELETED on {place(card.target)} before the copy: {deleted_amount(card.plan)}*"
    return m.section(f"{title}\n{_lines(card.plan.deletions)}")


def _lines(sentences: Sequence[str]) -> str:
    shown = [t.clip(t.visible(sentence), LINE_CHARS) for sentence in sentences[:LINES]]
    return t.listing(shown, first=LINES, limit=1_400, total=len(sentences))


def _losses(card: MigrationCard, plan: Plan) -> m.Block | None:
    if not plan.all_losses:
        return m.context("Nothing is left out: everything in the source's definitions is carried.")
    title = "Not carried, as approved" if card.migration.cleared_at else "Will not be carried"
    return m.section(f"*{title}*\n{_lines(plan.all_losses)}")


def _warnings(card: MigrationCard) -> Sequence[m.Block | None]:
    if card.ended:
        return ()
    warning = t.clip(t.prose(card.warning), 700)
    where = t.code(card.target.name, 72)
    return (
        _frozen(card),
        m.section(WRITE_FREEZE),
        m.section(f":warning: *Warning for {where}:* {warning}") if warning else None,
    )


def _frozen(card: MigrationCard) -> m.Block | None:
    """A freeze that is on while it waits for approval; once it is approved the status line says so."""
    if not card.hold or card.migration.status is not Status.AWAITING_APPROVAL:
        return None
    why = t.sentence(t.keep_mentions(card.hold))
    return m.section(
        f":snowflake: *Frozen now.* {why} It can be approved; it starts when that is over."
    )


def _changes(card: MigrationCard) -> m.Block | None:
    if not card.changes or card.migration.status is not Status.AWAITING_APPROVAL:
        return None
    title = ":arrows_clockwise: *Changed since it was approved; it needs approval again*"
    return m.section(f"{title}\n{_lines(card.changes)}")


def _decisions(card: MigrationCard) -> m.Block | None:
    lines = [decision_line(decision) for decision in card.decisions[-LINES:]]
    waits = card.migration.status is Status.AWAITING_APPROVAL
    if waits and card.approvals_needed > 1:
        needed = t.number(card.approvals_needed)
        lines.insert(0, f"*Approvals:* {t.number(card.approved)} of {needed}, by different people")
    return m.section("\n".join(lines))


_VERDICTS = {
    "approved": (":white_check_mark:", "Approved"),
    "rejected": (":no_entry_sign:", "Rejected"),
    "forced": (":rotating_light:", "Started without the approvals (break-glass)"),
}


_VOID = {"plan": "the plan changed after it", "role": "its giver may not approve any more"}


def decision_line(decision: Decision) -> str:
    """Who decided what, in which role and when: the attribution that no later rendering may lose."""
    emoji, word = _VERDICTS[decision.verdict]
    role = f" ({t.clip(decision.role, 60)})" if decision.role else ""
    said = f"{emoji} {word} by {t.person(decision.user_id)}{role}"
    comment = f"\n{t.quote(decision.comment, 200)}" if decision.comment.strip() else ""
    void = f" · *void*: {_VOID[decision.void]}" if decision.void else ""
    return f"{said}, {t.when(decision.at)}{void}{comment}"


def _approvers(card: MigrationCard) -> m.Block | None:
    if card.migration.status is not Status.AWAITING_APPROVAL or not card.approvers.strip():
        return None
    who = t.keep_mentions(card.approvers)
    return m.section(f"*Who may approve:* {who}")


def _footer(card: MigrationCard) -> m.Block | None:
    plan_hash = f"plan {t.code(card.plan.hash[:12])}" if card.plan else ""
    return m.context(t.joined((t.code(card.migration.id), plan_hash), " · "))
