"""Delete and re-migrate, as Zilliz's document advises: a new request for what of an ended migration is not proved.

It asks for exactly those collections, and allows to drop of them what that migration made and nothing else. It is planned, and
where that is the rule approved, like any other request; nothing is dropped here.
"""

from typing import Final

from engine import reports
from engine.errors import InputRejected
from engine.ledger import Ledger
from engine.lifecycle import Status, is_resumable, is_terminal, zilliz_word
from engine.model import Migration, OnConflict, Request

REMIGRATED: Final = "remigrated"
"""The note on a migration whose differing collections were asked for again; its detail "as" is the new migration's id."""

_IN_VAIN: Final = frozenset(
    {Status.REJECTED, Status.EXPIRED, Status.FAILED, Status.CANCELED, Status.UNDONE}
)
"""How a re-migration stands that came to nothing."""


def remigration(ledger: Ledger, migration_id: str) -> Request:
    """What has to be asked for to migrate again what a migration did not bring over as it should.

    Raises:
        InputRejected: It has not ended, or ended well; or there is no such migration.
    """
    migration = ledger.migration(migration_id)
    report = reports.report(ledger, migration.id)
    unproved = sorted(each.name for each in report.collections if not each.verified)
    ended = is_terminal(migration.status) and is_resumable(migration.status)
    if migration.status is Status.UNDONE:
        raise InputRejected(
            f"Nothing of {migration.id} is to be migrated again: it was undone.",
            state="Nothing was changed.",
            next_step="Request it anew: `ferry migrate`, or /migrate in Slack.",
        )
    if not ended or not unproved:
        raise InputRejected(
            f"Nothing of {migration.id} is to be migrated again: its status is {report.status}.",
            state="Nothing was changed.",
            next_step=f"`ferry show {migration.id}` shows what was found.",
        )
    made = {
        state.name: state.target_id
        for state in ledger.collection_states(migration.id)
        if state.name in unproved and state.target_id is not None
    }
    changes = {
        "collections": tuple(unproved),
        "on_conflict": OnConflict.REPLACE,
        "replaces": made,
    }
    return migration.request.model_copy(update=changes)


def remigrated(ledger: Ledger, migration_id: str) -> Migration | None:
    """The migration that was last asked for to migrate again what is not proved of this one; None when none was."""
    migration = ledger.migration(migration_id)
    made = ledger.last_named(migration.id, REMIGRATED)
    return ledger.migration(made.details["as"]) if made else None


def taken_over(ledger: Ledger, migration_id: str) -> Migration | None:
    """The migration that was asked for to do again what this one's last end left unproved; None where that came to nothing."""
    made = ledger.last_named(migration_id, REMIGRATED)
    ended = ledger.last_change(migration_id)
    if made is None or (ended is not None and ended.id > made.id):
        return None
    again = ledger.migration(made.details["as"])
    return None if again.status in _IN_VAIN else again


def not_beside(ledger: Ledger, migration: Migration) -> InputRejected | None:
    """Why a migration that has ended is neither repaired nor resumed now: another one does again what it left unproved."""
    again = taken_over(ledger, migration.id) if is_terminal(migration.status) else None
    if again is None:
        return None
    instead = (
        f"See to {again.id} instead: it stands in the place of what differed."
        if is_terminal(again.status)
        else f"Cancel {again.id} first if {migration.id} is to be mended instead."
    )
    return InputRejected(
        f"What differs in {migration.id} is migrated again as {again.id}, which stands as {zilliz_word(again.status)}.",
        state="Nothing was changed.",
        next_step=instead,
    )
