"""Delete and re-migrate, as Zilliz's document advises: a new request for what of an ended migration is not proved.

It asks for exactly those collections, and allows to drop of them what that migration made and nothing else. It is planned, and
where that is the rule approved, like any other request; nothing is dropped here.
"""

from typing import Final

from engine import reports
from engine.errors import InputRejected
from engine.ledger import Ledger
from engine.lifecycle import Status, is_resumable, is_terminal
from engine.model import Migration, OnConflict, Request

REMIGRATED: Final = "remigrated"
"""The note on a migration whose differing collections were asked for again; its detail "as" is the new migration's id."""


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
