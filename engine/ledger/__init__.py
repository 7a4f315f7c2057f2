"""The ledger: the one SQL database in which a migration's truth lives; everything else may die at any instant.

It stores and guards; it never talks to Milvus or to Slack, and it never starts anything. Nothing outside `engine/ledger/` and
`bot/ledger/` knows SQL: what comes out of here are the frozen records of `engine/model/`.

    people's acts      Ledger.transaction() -> Transaction     transaction.py, transitions.py
    a worker's writes  claim, renew, finish, receipts …        leases.py, collections.py, findings.py, chunks.py
    questions          migrations, mismatches, events …        queries.py
    sums               totals, chunk_sums …                    totals.py
    what is shared     hand_load_on, late_calls …              shared.py
    the list of jobs   jobs, page_above, targets               jobs.py
    the audit trail    audit, check_audit                      audit.py
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Self

from engine.ledger.audit import PLAN_RECORDED, AuditCheck, AuditEntry, AuditFilter, Audits
from engine.ledger.chunks import Chunks
from engine.ledger.database import (
    VERSION_TABLE,
    Clock,
    open_database,
    upgrade,
    upgrade_ledger,
    utc_now,
)
from engine.ledger.jobs import JobFilter, Jobs, JobsPage
from engine.ledger.leases import LEASE_SECONDS
from engine.ledger.owners import new_owner, owner_is_dead
from engine.ledger.presence import database_exists
from engine.ledger.queries import Queries
from engine.ledger.records import RecordedMismatch, normal_id
from engine.ledger.repeatable import Waits
from engine.ledger.shared import Shared
from engine.ledger.totals import Totals
from engine.ledger.transaction import REQUESTED, Transaction
from engine.ledger.transitions import CALLS_CUT, TransitionRefused

__all__ = [
    "CALLS_CUT",
    "LEASE_SECONDS",
    "PLAN_RECORDED",
    "REQUESTED",
    "VERSION_TABLE",
    "AuditCheck",
    "AuditEntry",
    "AuditFilter",
    "JobFilter",
    "JobsPage",
    "Ledger",
    "RecordedMismatch",
    "Transaction",
    "TransitionRefused",
    "database_exists",
    "new_owner",
    "normal_id",
    "open_database",
    "owner_is_dead",
    "upgrade",
    "utc_now",
]


class Ledger(Chunks, Shared, Queries, Totals, Jobs, Audits):
    """An open ledger; several threads and several processes may use one at the same time.

    Every method is one transaction. A database that does not answer is `LedgerAway`, and what was begun is rolled back.

    Attributes:
        engine: For the bot's own tables in the same database (`upgrade`); they share `Transaction.session`.
    """

    @classmethod
    def open(cls, url: str, clock: Clock = utc_now) -> Self:
        """Open the ledger at `sqlite:///path` or `postgresql://…`; creates and upgrades its tables.

        Raises:
            ConfigurationInvalid: No ledger can be there.
            LedgerIncompatible: A newer version of Ferry wrote it.
            ServiceUnavailable: The database does not answer.
        """
        engine = open_database(url)
        try:
            upgrade_ledger(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, clock)

    def waiting(self, waits: Waits) -> Self:
        """The same ledger for a worker, who waits for a database that is away: `waits` says how long (`repeatable.py`)."""
        patient = copy(self)
        patient.waits = waits
        return patient

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction of people's acts: committed when the block ends, rolled back when it raises.

        Keep it short and call no other method of the ledger that writes inside it: one writer at a time.
        """
        with self._write(ordered=True) as session:
            yield Transaction(session, self._clock)
