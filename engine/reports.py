"""Puts together what became of a migration, from the ledger alone."""

from collections.abc import Iterator, Mapping

from engine.ledger import Ledger
from engine.lifecycle import Status, zilliz_word
from engine.model import (
    EXAMPLES_MAX,
    CollectionPlan,
    CollectionReport,
    CollectionState,
    ErrorText,
    Event,
    Found,
    Migration,
    MismatchKind,
    Outcome,
    Plan,
    Report,
)

_UNDER_WAY = frozenset({Status.QUEUED, Status.RUNNING})
_STILL_LOADED = (
    "It was loaded {sides} only to be read, and no worker came to release it again: release it there if it is still loaded, or "
    "have the migration go on, or verified again."
)
_GIVEN_UP = {"code": "E-CANCELED", "message": "The new verification was canceled."}
_WHY = "It could not be compared; the collection's report says why."
REFUSED_SHOWN = 5
"""How many of the entities that the target refused a report names with the reason."""


def report(ledger: Ledger, migration_id: str) -> Report:
    """The report of a migration, as far as it has come.

    Raises:
        InputRejected: There is no such migration.
    """
    migration = ledger.migration(migration_id)
    totals = ledger.totals(migration.id)
    states = {state.name: state for state in ledger.collection_states(migration.id)}
    planned = migration.plan.collections if migration.plan else ()
    return Report(
        migration=migration.id,
        status=_word(migration.status),
        state=migration.status,
        seconds=_seconds(migration),
        entities=totals.copied,
        bytes=totals.bytes,
        entities_per_second=totals.copied / totals.seconds if totals.seconds else 0.0,
        collections=tuple(_collection(plan, states, migration.status) for plan in planned),
        losses=_lost(migration.plan) if migration.plan else (),
        error=migration.error,
    )


def of_run(report: Report, last: Event | None) -> Report:
    """The report of a run that ended with this event: a new verification without a result is not reported as what stands."""
    if last is None or not last.leaves_unverified:
        return report
    failed = last.details.get("error")
    error = ErrorText.model_validate(failed or _GIVEN_UP)
    told = {
        "state": f"It was not verified again and stands as it had ended: {report.status}.",
        "next_step": f"{error.next_step} `ferry verify SOURCE TARGET` compares both sides at any time.".strip(),
    }
    status = Outcome.FAILED if failed else Outcome.CANCELED
    return report.model_copy(update={"status": status, "error": error.model_copy(update=told)})


def listed(ledger: Ledger, migration_id: str) -> Iterator[Found]:
    """Everything that the last verification of a migration found: each mismatch, then each range that could not be compared."""
    states, after = ledger.collection_states(migration_id), 0
    refused = {
        (state.name, each.partition, each.pk): each.reason
        for state in states
        for entities in ledger.set_aside(migration_id, state.name).values()
        for each in entities
    }
    while page := ledger.mismatches(migration_id, after_id=after):
        for each in page:
            found = Found.of_mismatch(each.collection, each.mismatch)
            reason = refused.get((each.collection, each.mismatch.partition, each.mismatch.pk))
            yield found.model_copy(update={"reason": reason}) if reason else found
        after = page[-1].id
    for state in states:
        if state.report is not None and state.report.errors:
            for chunk in ledger.chunks(migration_id, state.name, unproved_only=True):
                if chunk.verified is None:
                    yield Found.of_error(chunk.range, _WHY)


def findings(ledger: Ledger, migration_id: str, base: CollectionReport) -> CollectionReport:
    """Adds to a collection's report what the ledger holds of its mismatches."""
    counts = ledger.mismatch_counts(migration_id, base.name).get(base.name, {})
    first = ledger.mismatches(migration_id, base.name, limit=EXAMPLES_MAX)
    examples = (*base.examples, *(recorded.mismatch for recorded in first))[:EXAMPLES_MAX]
    return base.model_copy(
        update={
            "missing": base.missing + counts.get(MismatchKind.MISSING, 0),
            "extra": base.extra + counts.get(MismatchKind.EXTRA, 0),
            "different": base.different + counts.get(MismatchKind.DIFFERENT, 0),
            "examples": examples,
            "notes": (*_refused(ledger, migration_id, base.name), *base.notes),
        }
    )


def _refused(ledger: Ledger, migration_id: str, name: str) -> tuple[str, ...]:
    """What the target refused of a collection, as a note; nothing when it took everything."""
    by_chunk = ledger.set_aside(migration_id, name)
    aside = [each for entities in by_chunk.values() for each in entities]
    if not aside:
        return ()
    shown = "; ".join(f"{each.pk!r}: {each.reason}" for each in aside[:REFUSED_SHOWN])
    more = f"; and {len(aside) - REFUSED_SHOWN} more" if len(aside) > REFUSED_SHOWN else ""
    entities = "1 entity" if len(aside) == 1 else f"{len(aside)} entities"
    return (f"The target refused {entities}, set aside and missing there: {shown}{more}",)


def _collection(
    plan: CollectionPlan, states: Mapping[str, CollectionState], status: Status
) -> CollectionReport:
    state = states.get(plan.name, CollectionState(name=plan.name))
    found = state.report or CollectionReport(name=plan.name, source_entities=plan.entities)
    if not state.borrowed or status in _UNDER_WAY:
        return found
    sides = {"source": state.source_was_loaded, "target": state.target_was_loaded}
    named = " and ".join(
        f"on the {side}" for side, was_loaded in sides.items() if was_loaded is False
    )
    return found.model_copy(update={"notes": (*found.notes, _STILL_LOADED.format(sides=named))})


def _lost(plan: Plan) -> tuple[str, ...]:
    """What the plan deletes on the target, then what is not carried."""
    deleted = (f"deleted on the target before the copy: {each}" for each in plan.deletions)
    return (*deleted, *plan.all_losses)


def _word(status: Status) -> Outcome | str:
    word = zilliz_word(status)
    return Outcome(word) if word in Outcome.__members__ else word


def _seconds(migration: Migration) -> float:
    if migration.started_at is None or migration.ended_at is None:
        return 0.0
    return (migration.ended_at - migration.started_at).total_seconds()
