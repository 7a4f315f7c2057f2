"""What the ledger knows: a migration, its collections, its events, the right to write for it, how far it has come."""

from typing import Any, Final, TypeAlias

from pydantic import AwareDatetime, Field

from engine.lifecycle import EventName, Status
from engine.model.base import Record
from engine.model.plan import Plan, Request
from engine.model.report import CollectionReport, ErrorText

Details: TypeAlias = dict[str, Any]
"""What an event carries beside its name: JSON values only."""

_VERIFIED_IN: Final = frozenset({Status.QUEUED, Status.RUNNING, Status.PAUSED})
_RESULTS: Final = frozenset({Status.SUCCESSFUL, Status.MISMATCHED})


class CollectionProgress(Record):
    """How far one collection has come."""

    name: str
    entities: int
    copied: int = 0
    verified: int = 0
    phase: str = "waiting"


class Throttle(Record):
    """What the operator allows a copy; None is as much as it can.

    Attributes:
        entities_per_second: On average; a chunk is written at once.
        megabytes_per_second: Of 1,000,000 bytes, as they go over the wire.
    """

    entities_per_second: int | None = Field(default=None, gt=0)
    megabytes_per_second: float | None = Field(default=None, gt=0)

    def __str__(self) -> str:
        entities, megabytes = self.entities_per_second, self.megabytes_per_second
        allowed = [f"{entities:,} entities/s"] if entities else []
        allowed += [f"{megabytes:g} MB/s"] if megabytes else []
        return " and ".join(allowed) or "nothing"


class Progress(Record):
    """How far a migration has come, projected from the ledger.

    Attributes:
        entities: Entities to copy, as planned; of a collection whose keys were read, as many as these.
        copied: Entities with a receipt.
        verified: Entities in verified chunks.
        bytes: Bytes with a receipt.
        seconds: Time spent copying so far.
        recent_entities: Entities copied in the last minute, after the first of its chunks.
        recent_seconds: Since that chunk was copied.
        slowed: Why it is slower than it could be, a sentence; "" when nothing slows it.
    """

    phase: str
    entities: int
    copied: int
    verified: int
    bytes: int
    seconds: float
    recent_entities: int = 0
    recent_seconds: float = 0.0
    slowed: str = ""
    collections: tuple[CollectionProgress, ...] = ()


class Migration(Record):
    """A migration as the ledger holds it: one request and everything that happened to it.

    Attributes:
        id: Short and typed by people, e.g. "M-4K7QX2F".
        requester: Who asked: a Slack user id, or `user@host` on the command line.
        due_at: When it may start; None means at once.
        cleared_at: When it was first allowed to run (approved, or queued by an operator); without it nothing resumes.
        stood: While an undo is asked for or under way: where it stands if that is not done.
        attempts: How many workers have claimed it since the last resume and did not hand it back.
        lease_token: The fencing token; it grows with every claim and every rescue.
        collections: What is known of each collection so far.
        error: The failure it ended with, or that made it wait.
    """

    id: str
    request: Request
    status: Status
    phase: str = ""
    requester: str
    reason: str = ""
    plan: Plan | None = None
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
    cleared_at: AwareDatetime | None = None
    cancel_requested_at: AwareDatetime | None = None
    cancel_requested_by: str | None = None
    pause_requested_at: AwareDatetime | None = None
    pause_requested_by: str | None = None
    stood: Status | None = None
    attempts: int = 0
    lease_owner: str | None = None
    lease_token: int = 0
    lease_expires_at: AwareDatetime | None = None
    throttle: Throttle | None = None
    error: ErrorText | None = None

    @property
    def putting_back(self) -> bool:
        """Whether it was canceled and waits for a worker that first releases what another one left loaded."""
        return self.status is Status.QUEUED and self.cancel_requested_at is not None


WAITING: Final = "waiting"
"""The phase of a collection that the migration has not come to yet."""
REPLACING: Final = "replacing"
"""The phase of a collection from the moment before another one of that name is dropped for it until it is made."""
CREATING: Final = "creating"
"""The phase of a collection from the moment before it is made until its id is recorded: no server tells whose it is then."""


CREATING_DATABASE: Final = "creating_database"
"""The note that the target's database was not there and is made now."""
DATABASE_TAKEN: Final = "database_taken_over"
"""The note that an undo of the migration that made the target's database left it to this one, which was running there."""
MAKES_DATABASE: Final = (CREATING_DATABASE, DATABASE_TAKEN)
"""Without one of these the database is somebody else's."""


class CollectionState(Record):
    """What the ledger knows of one collection of a migration.

    Attributes:
        phase: waiting, created, copied, loaded, verified or done; dropped, where an undo stopped half-way.
        target_id: The target's own id of the collection that this migration made: the mark of ownership.
        source_was_loaded: Its load state before an attempt touched it; False means that it is still to be released again,
            None that it was not touched or was put back.
        target_was_loaded: The same of the target's, which a new verification has loaded to read it.
        handed_over: It was proved and got everything that comes last (lifetimes, aliases): from then on those are the operator's.
        read_timestamp: The read point (`AllocTimestamp`) of all its pages; 0 where the server has none.
        source_surplus: Entities of the source that shared the key of another one when its chunks were planned; None where an older
            version copied them.
        copy_seconds: Time spent copying, over all attempts.
    """

    name: str
    phase: str = "waiting"
    target_id: int | None = None
    source_was_loaded: bool | None = None
    target_was_loaded: bool | None = None
    read_timestamp: int = 0
    source_surplus: int | None = None
    copy_seconds: float = 0.0
    report: CollectionReport | None = None
    handed_over: bool = False

    @property
    def borrowed(self) -> bool:
        """Whether it stands loaded, on one side, only to be read."""
        return False in (self.source_was_loaded, self.target_was_loaded)

    @property
    def begun(self) -> bool:
        """Whether the migration ever began to make it on the target."""
        return self.phase != "waiting"


class Lease(Record):
    """The right to write for one migration until another worker takes it over.

    Attributes:
        others_until: Until when calls that workers before this one lost, or cut, may still be applied; None where none can.
    """

    migration_id: str
    token: int
    owner: str
    others_until: AwareDatetime | None = None


class LateCalls(Record):
    """Calls of another migration that may still be applied until then, and for which none of its workers waits.

    Attributes:
        migration: Its id.
        undoing: Whether they are the drops of an undo that goes on: it may last longer than that.
        working: Whether its worker is alive and at the same collections: likewise.
    """

    migration: str
    until: AwareDatetime
    undoing: bool = False
    working: bool = False


class Orders(Record):
    """What people asked of a migration while a worker holds it."""

    cancel: bool = False
    pause: bool = False
    throttle: Throttle | None = None


class Event(Record):
    """Something that happened to a migration, in order; `id` grows over the whole ledger."""

    id: int
    migration_id: str
    at: AwareDatetime
    name: str
    actor: str
    from_status: Status | None = None
    to_status: Status | None = None
    details: Details

    @property
    def leaves_unverified(self) -> bool:
        """Whether a new verification ended here without a result: the migration stands as it had ended before."""
        found = self.name in {EventName.SUCCEED, EventName.MISMATCH}
        return self.from_status in _VERIFIED_IN and self.to_status in _RESULTS and not found
