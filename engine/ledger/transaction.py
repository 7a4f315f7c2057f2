"""What people do to a migration, in a transaction that others can add their own rows to.

The bot records a click, its audit and its messages beside the migration's change, and all of it is committed together or not at
all. A worker's writes are not here: they carry a lease (`leases.py`, `chunks.py`).
"""

import secrets
from datetime import datetime
from typing import Final

from sqlalchemy import insert, update
from sqlmodel import Session, col, select

from engine.ledger import audit
from engine.ledger.audit import PLAN_RECORDED
from engine.ledger.database import Clock
from engine.ledger.records import migration_of, normal_id
from engine.ledger.tables import MigrationRow
from engine.ledger.transitions import Act, append_event, last_change, load, move, refuse
from engine.lifecycle import (
    HELD,
    TAKING_EVENTS,
    WORKER_EVENTS,
    EventName,
    Status,
    is_resumable,
    is_terminal,
)
from engine.model import Details, ErrorText, Event, Migration, Plan, Request, Throttle

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: nothing in it is mistaken for something else when read aloud or typed."""
_ID_LENGTH: Final = 7

REQUESTED: Final = "requested"
"""The name of a migration's first event."""
THROTTLED: Final = "throttled"


class Transaction:
    """One transaction of people's acts, from `Ledger.transaction()`; it is committed when the `with` block ends.

    Attributes:
        session: For the rows of others, in the same commit.
        now: The time that everything in this transaction is stamped with.
    """

    def __init__(self, session: Session, clock: Clock) -> None:
        self.session = session
        self.now: datetime = clock()

    def add_migration(
        self,
        request: Request,
        *,
        requester: str,
        reason: str = "",
        due_at: datetime | None = None,
        throttle: Throttle | None = None,
        status: Status = Status.PLANNING,
        details: Details | None = None,
    ) -> Migration:
        """Record a request, with the event "requested".

        Args:
            request: What was asked for.
            reason: Why, in the requester's words.
            requester: A Slack user id, or `user@host`.
            due_at: Aware; when it may start. None: as soon as it is allowed to.
            throttle: What its copy is limited to from the beginning.
            status: PLANNING, or QUEUED where nobody has to approve it.
            details: What the event carries.
        """
        if status not in {Status.PLANNING, Status.QUEUED}:
            raise ValueError(f"a migration begins as planning or queued, not as {status}")
        if due_at is not None and due_at.utcoffset() is None:
            raise ValueError(f"due_at has no time zone: {due_at}")
        migration_id = self._new_id()
        self.session.connection().execute(
            insert(MigrationRow).values(
                id=migration_id,
                identity=request.identity,
                request=request.model_dump_json(),
                status=status,
                phase="",
                requester=requester,
                reason=reason.replace("\0", ""),
                created_at=self.now,
                due_at=due_at,
                cleared_at=self.now if status is Status.QUEUED else None,
                attempts=0,
                lease_token=0,
                throttle=throttle and throttle.model_dump_json(),
            )
        )
        append_event(
            self.session, migration_id, REQUESTED, requester, self.now, details, (None, status)
        )
        told: Details = {"request": request.model_dump(mode="json"), "reason": reason}
        told |= {"due_at": due_at.isoformat()} if due_at else {}
        told |= {"throttle": throttle.model_dump()} if throttle else {}
        self.audit(
            REQUESTED, requester, status, migration_id=migration_id, details=told | (details or {})
        )
        return self.migration(migration_id)

    def migration(self, migration_id: str) -> Migration:
        """The migration as it stands in this transaction.

        Raises:
            InputRejected: There is none.
            LedgerIncompatible: Its plan was stored by another version of Ferry.
        """
        return migration_of(load(self.session, migration_id))

    def last_change(self, migration_id: str) -> Event | None:
        """The migration's last change of state: since when it stands as it does, and who did it."""
        return last_change(self.session, normal_id(migration_id))

    def apply(
        self,
        migration_id: str,
        event: EventName,
        *,
        actor: str,
        details: Details | None = None,
        error: ErrorText | None = None,
    ) -> Migration:
        """Let an event happen: the state changes and the event is recorded, or neither.

        Of two who do the same at once exactly one succeeds.

        Raises:
            TransitionRefused: It does not apply as the migration stands now; says who changed it last, and when.
            InputRejected: There is no such migration.
        """
        if event in TAKING_EVENTS:
            raise ValueError(f"{event} gives a lease: Ledger.claim")
        if event in WORKER_EVENTS:
            row = load(self.session, migration_id)
            if row.status in HELD:
                raise refuse(
                    self.session, row, "A worker holds it, and only its worker can end it so."
                )
        act = Act(event, actor, self.now, details, error)
        return move(self.session, migration_id, act)

    def record_plan(self, migration_id: str, plan: Plan, actor: str) -> Migration:
        """Store the plan of a migration that is being planned, with the event "plan_recorded" (its hash is in the details).

        Raises:
            TransitionRefused: It is not being planned any more.
        """
        change = update(MigrationRow).where(
            col(MigrationRow.id) == normal_id(migration_id),
            col(MigrationRow.status) == Status.PLANNING,
        )
        stored = self.session.connection().execute(change.values(plan=plan.model_dump_json()))
        if stored.rowcount != 1:
            row = load(self.session, migration_id)
            raise refuse(self.session, row, "A plan is stored only while a migration is planned.")
        details = {
            "hash": plan.hash,
            "collections": len(plan.collections),
            "entities": plan.entities,
        }
        self.note(migration_id, PLAN_RECORDED, actor, details)
        return self.migration(migration_id)

    def throttle(
        self,
        migration_id: str,
        throttle: Throttle | None,
        actor: str,
        details: Details | None = None,
    ) -> Migration:
        """Limit a migration's copy, now or when it runs, or lift the limit (None), with the event "throttled".

        Args:
            migration_id: Which one.
            throttle: The limit.
            actor: Who sets it.
            details: What the event carries beside the limit.

        Raises:
            TransitionRefused: It has ended and cannot go on.
        """
        row = load(self.session, migration_id)
        if is_terminal(row.status) and not is_resumable(row.status):
            raise refuse(self.session, row, "It has ended; there is nothing to throttle.")
        change = update(MigrationRow).where(col(MigrationRow.id) == row.id)
        stored = None if throttle is None else throttle.model_dump_json()
        self.session.connection().execute(change.values(throttle=stored))
        allowed = (throttle or Throttle()).model_dump()
        self.note(row.id, THROTTLED, actor, allowed | (details or {}))
        return self.migration(migration_id)

    def note(
        self,
        migration_id: str,
        name: str,
        actor: str,
        details: Details | None = None,
        *,
        act: str = "",
        outcome: str = "noted",
    ) -> None:
        """Record something that happened and changed no state, among the events and in the audit trail.

        Args:
            migration_id: Of which migration.
            name: The event's name.
            actor: Who did it.
            details: What it carries.
            act: What the trail calls it, where that is not the event's name.
            outcome: What the trail says of it.
        """
        row = load(self.session, migration_id)
        append_event(self.session, row.id, name, actor, self.now, details)
        self.audit(act or name, actor, outcome, migration_id=row.id, details=details)

    def audit(
        self,
        act: str,
        actor: str,
        outcome: str,
        *,
        migration_id: str = "",
        details: Details | None = None,
    ) -> None:
        """Append to the audit trail what is no event of a migration; `role` and `plan_hash` in the details have a column each."""
        audit.append(
            self.session,
            at=self.now,
            actor=actor,
            act=act,
            outcome=outcome,
            migration_id=migration_id,
            details=details,
        )

    def _new_id(self) -> str:
        while True:
            body = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
            taken = select(MigrationRow.number).where(col(MigrationRow.id) == f"M-{body}")
            if self.session.exec(taken).first() is None:
                return f"M-{body}"
