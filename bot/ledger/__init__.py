"""The bot's part of the ledger: what only the bot knows of a migration, in the same database and the same transactions.

    freezes     from when until when nothing starts                     written with the audit of it
    ticks       steps of a cut-over that people have done                 written with the audit of it
    decisions   who approved or rejected which plan, in which role        written with the migration's change of state
    inbox       deliveries from Slack whose effect is recorded            written with that effect
    outbox      messages owed to Slack, one of a kind per event and person  written with the narrator's place among the events
    posted      where a migration's messages stand in Slack               written with the outbox row that posted them
    speaker     which bot posts to Slack                                  written by the bot that does, while it lives

It never talks to Slack and never renders a text. SQL stays in here.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import AwareDatetime
from sqlalchemy import bindparam, delete, func, insert, update
from sqlmodel import Session, col, select

from bot.ledger.freezes import Freeze, Freezes
from bot.ledger.speakers import NARRATOR, Speaker, Speakers
from bot.ledger.statements import insert_new
from bot.ledger.tables import (
    DecisionRow,
    Delivery,
    InboxRow,
    Kind,
    OutboxRow,
    PlaceRow,
    PostedRow,
    Verdict,
)
from bot.ledger.ticks import Ticked, Ticks
from engine.ledger import Ledger, Transaction, upgrade
from engine.model import Record

__all__ = [
    "BotLedger",
    "Decided",
    "Delivery",
    "Due",
    "Freeze",
    "Kind",
    "Owed",
    "Posted",
    "Speaker",
    "Ticked",
    "Verdict",
    "Waiting",
]

VERSION_TABLE: Final = "bot_version"

_POSTED = select(PostedRow).where(col(PostedRow.migration_id) == bindparam("of"))
_PENDING = (
    select(OutboxRow).where(col(OutboxRow.delivery) == Delivery.PENDING).order_by(col(OutboxRow.id))
)
_DECISIONS = (
    select(DecisionRow)
    .where(col(DecisionRow.migration_id) == bindparam("of"))
    .order_by(col(DecisionRow.id))
)


class Decided(Record):
    """What one person decided about a request, in which role, and about which plan."""

    user_id: str
    role: str
    verdict: Verdict
    plan_hash: str
    comment: str = ""
    at: AwareDatetime


class Posted(NamedTuple):
    """Where a message stands in Slack; `content` is what it says, where that cannot be drawn again (a report)."""

    channel: str
    ts: str
    content: str = ""


class Waiting(NamedTuple):
    """How many messages are owed to Slack, and since when (aware) the oldest is; None without any."""

    messages: int
    oldest: datetime | None


class Due(NamedTuple):
    """A message that an event makes: of which migration, which event, which kind, and for whom where it is for one person."""

    migration_id: str
    event_id: int
    kind: Kind
    recipient: str = ""


class Owed(Record):
    """A message that is owed to Slack: which event of which migration it tells, and how often it was tried."""

    id: int
    migration_id: str
    event_id: int
    kind: Kind
    recipient: str = ""
    attempts: int
    not_before: AwareDatetime | None = None
    said_at: AwareDatetime | None = None


class BotLedger(Freezes, Speakers, Ticks):
    """The bot's tables in an open ledger; creates and upgrades them. Each method is one transaction, unless it takes one.

    Raises:
        LedgerIncompatible: A newer version of Ferry wrote them.
        ServiceUnavailable: The database does not answer.
    """

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger.engine, ledger._clock)  # noqa: SLF001  # the same base, the same time
        # One lock for all writers of this process, whichever tables they write.
        self._writer = ledger._writer  # noqa: SLF001  # as above
        upgrade(ledger.engine, Path(__file__).parent, VERSION_TABLE)

    def receive(self, tx: Transaction, key: str, migration_id: str = "") -> bool:
        """Record a delivery from Slack in the transaction of its effect; False if its effect is there already."""
        return insert_new(
            tx.session, InboxRow, {"key": key, "migration_id": migration_id, "at": tx.now}
        )

    def received(self, key: str) -> bool:
        """Whether a delivery's effect is recorded."""
        with self._read() as session:
            return session.get(InboxRow, key) is not None

    def made_by(self, tx: Transaction, key: str) -> str:
        """The migration that a delivery's recorded effect is about, as the transaction sees it; "" without one."""
        row = tx.session.get(InboxRow, key)
        return "" if row is None else row.migration_id

    def forget_deliveries(self, before: datetime) -> None:
        """Drop deliveries of before `before` (aware): Slack repeats none that is older than 5 minutes."""
        with self._write() as session:
            session.connection().execute(delete(InboxRow).where(col(InboxRow.at) < before))

    def decide(self, tx: Transaction, migration_id: str, decided: Decided) -> None:
        """Record a decision in the transaction that lets it happen."""
        values = decided.model_dump() | {"migration_id": migration_id}
        tx.session.connection().execute(insert(DecisionRow).values(values))

    def decisions(self, migration_id: str, tx: Transaction | None = None) -> tuple[Decided, ...]:
        """The decisions about a migration, oldest first, as the transaction sees them, or as they are now."""
        if tx is not None:
            return _decisions(tx.session, migration_id)
        with self._read() as session:
            return _decisions(session, migration_id)

    def posted(self, migration_id: str) -> Mapping[Kind, Posted]:
        """Where the migration's messages stand."""
        with self._read() as session:
            found = session.exec(_POSTED, params={"of": migration_id})
            return {row.kind: Posted(row.channel, row.ts, row.content) for row in found}

    def put_posted(self, migration_id: str, kind: Kind, posted: Posted) -> None:
        """A message of that kind stands there now, unless another one is known."""
        values = {"migration_id": migration_id, "kind": kind, **posted._asdict()}
        with self._write() as session:
            insert_new(session, PostedRow, values)

    def forget_posted(self, migration_id: str, kind: Kind) -> None:
        """A message is no longer there (someone deleted it): the next one is posted anew."""
        with self._write() as session:
            session.connection().execute(
                delete(PostedRow).where(
                    col(PostedRow.migration_id) == migration_id, col(PostedRow.kind) == kind
                )
            )

    def place(self) -> int:
        """The id of the last event whose messages are in the outbox; 0 before the first."""
        with self._read() as session:
            row = session.get(PlaceRow, NARRATOR)
            return 0 if row is None else row.event_id

    def collect(
        self, after_id: int, up_to_id: int, owed: Iterable[Due | tuple[str, int, Kind]]
    ) -> bool:
        """Put messages into the outbox and move the narrator's place, both or neither.

        Args:
            after_id: The place from which the events were read.
            up_to_id: The last event that was read.
            owed: The messages.

        Returns:
            False if another narrator was faster: then nothing was changed.
        """
        with self._write() as session:
            insert_new(session, PlaceRow, {"reader": NARRATOR, "event_id": 0})
            move = update(PlaceRow).where(
                col(PlaceRow.reader) == NARRATOR, col(PlaceRow.event_id) == after_id
            )
            moved = session.connection().execute(move.values(event_id=up_to_id))
            if moved.rowcount != 1:
                return False
            now = self._clock()
            for due in owed:
                insert_new(session, OutboxRow, _owed_values(Due(*due), now))
        return True

    def owe(self, tx: Transaction, migration_id: str, event_id: int, kind: Kind) -> None:
        """Put a message into the outbox in the transaction of what it tells."""
        insert_new(tx.session, OutboxRow, _owed_values(Due(migration_id, event_id, kind), tx.now))

    def pending(self) -> tuple[Owed, ...]:
        """What is owed to Slack, in the order in which it came."""
        fields = set(Owed.model_fields)
        with self._read() as session:
            return tuple(Owed(**row.model_dump(include=fields)) for row in session.exec(_PENDING))

    def waiting(self) -> Waiting:
        """How much is owed to Slack, counted by the database."""
        query = select(func.count(), func.min(OutboxRow.created_at)).where(
            col(OutboxRow.delivery) == Delivery.PENDING
        )
        with self._read() as session:
            return Waiting(*session.exec(query).one())

    def settle(
        self,
        owed: Owed,
        delivery: Delivery,
        *,
        posted: Posted | None = None,
        error: str = "",
    ) -> None:
        """A message was sent, superseded or dropped; `posted` says where it stands now, in the same transaction.

        Only what is owed can be settled: whoever comes second changes nothing.
        """
        with self._write() as session:
            change = update(OutboxRow).where(
                col(OutboxRow.id) == owed.id, col(OutboxRow.delivery) == Delivery.PENDING
            )
            settled = session.connection().execute(
                change.values(delivery=delivery, done_at=self._clock(), error=error)
            )
            if posted is not None and settled.rowcount == 1:
                _put_posted(session, owed.migration_id, owed.kind, posted)

    def postpone(self, owed: Owed, until: datetime, error: str, *, attempted: bool = True) -> None:
        """A message could not be sent; try again at `until` (aware). Only an attempt that Slack heard of counts."""
        attempts = owed.attempts + attempted
        with self._write() as session:
            change = update(OutboxRow).where(col(OutboxRow.id) == owed.id)
            session.connection().execute(
                change.values(attempts=attempts, not_before=until, error=error)
            )

    def said(self, owed: Owed) -> None:
        """The thread was told that this message is not delivered."""
        with self._write() as session:
            change = update(OutboxRow).where(col(OutboxRow.id) == owed.id)
            session.connection().execute(change.values(said_at=self._clock()))


def _decisions(session: Session, migration_id: str) -> tuple[Decided, ...]:
    found = session.exec(_DECISIONS, params={"of": migration_id})
    return tuple(Decided(**row.model_dump(exclude={"id", "migration_id"})) for row in found)


def _owed_values(due: Due, now: datetime) -> dict[str, object]:
    return due._asdict() | {
        "delivery": Delivery.PENDING,
        "attempts": 0,
        "created_at": now,
        "error": "",
    }


def _put_posted(session: Session, migration_id: str, kind: Kind, posted: Posted) -> None:
    session.connection().execute(
        delete(PostedRow).where(
            col(PostedRow.migration_id) == migration_id, col(PostedRow.kind) == kind
        )
    )
    values = {"migration_id": migration_id, "kind": kind, **posted._asdict()}
    session.connection().execute(insert(PostedRow).values(values))
