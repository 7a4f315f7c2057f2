"""What must be true of a migration at any moment of a walk, whatever happened to it before, and what stands on its target.

The target is read by the crash tests' comparison, which shares nothing with Ferry.
"""

from dataclasses import dataclass, field

from engine.errors import (
    MustStartOver,
    NeedsPerson,
    ServiceUnavailable,
    TargetChanged,
    Throttled,
)
from engine.lifecycle import EventName, Status
from engine.milvus.client import preparing_client
from engine.milvus.failures import CallLost
from engine.model import ErrorText, Event
from tests.crash.lane import NUMBERS, RESTING, Run, Wrong
from tests.crash.walk_lane import OTHERS, OTHERS_COUNT, TTL, WalkLane
from tests.engine.bed import Side

TEMPORARY = {each.code for each in (ServiceUnavailable, CallLost, Throttled, MustStartOver)}
HALF_DONE = ("workers ended in the middle", "has begun and is not done")
"""What is said of a migration that too many workers died over, and of one that is undone in part."""


class Broken(AssertionError):
    """Something that must hold does not."""


@dataclass
class Damage:
    """What a stranger did to a collection of ours.

    Attributes:
        seen: Whether an undo certainly sees it.
        since: The migration's last event before it.
        keyless: Whether no repair can mend it, because the target makes the keys.
    """

    seen: bool
    since: int
    keyless: bool = False


@dataclass
class Scene:
    """One migration and its place.

    Attributes:
        names: The collections that it migrates.
        has_others: Whether a stranger's collection stands in the target's database.
        replaces: Whether an old `numbers` stood there when it was planned.
        damage: What a stranger did that is not mended for certain.
        realiased: Collections whose aliases an operator changed.
        taken: Planned aliases that he gave to the stranger's collection.
        added: The collection of ours to which he gave an alias of his own.
    """

    lane: WalkLane
    database: str
    names: list[str]
    has_others: bool
    replaces: bool
    run: Run
    damage: Damage | None = None
    realiased: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    added: str = ""

    @property
    def status(self) -> Status:
        """Where the migration stands."""
        return self.lane.ledger.migration(self.run.id).status

    @property
    def events(self) -> tuple[Event, ...]:
        """All that happened to it."""
        return self.lane.ledger.events(migration_id=self.run.id)

    def said(self) -> str:
        """Where it stands, for the story."""
        error = self.lane.ledger.migration(self.run.id).error
        return f"{self.status}{f' {error.code} {error.message}' if error else ''}"

    def is_there(self) -> bool:
        """Whether the target has the database."""
        server = preparing_client(self.lane.target_uri)
        try:
            return self.database in server.list_databases()
        finally:
            server.close()

    def target(self) -> Side:
        """The target's database."""
        return Side(self.lane.target_uri, self.database)

    def check(self) -> None:
        """Holds the migration against what is promised; what was late has arrived.

        Raises:
            Broken: It is not so.
        """
        standing = self.lane.ledger.migration(self.run.id)
        if standing.status is Status.SUCCESSFUL:
            self._check_successful()
        elif standing.status is Status.MISMATCHED and not self._mismatch_is_explained():
            raise Broken(f"mismatched, and nobody wrote there: {self._reports()}")
        elif standing.status is Status.FAILED and standing.error is not None:
            self._check_failure(standing.error)
        elif standing.status is Status.UNDONE:
            if self.damage is not None and self.damage.seen:
                raise Broken("it was undone, though a stranger had written there")
            if self.added:
                raise Broken(f"it was undone, though {self.added} had an alias of its operator's")
            self.check_undone()
        last = self.events[-1]
        if last.name == EventName.UNDO_LEFT:
            self._check_failure(ErrorText(**last.details["error"]))

    def dropped(self, target: Side, name: str) -> None:
        """Someone drops a collection of ours, with its aliases."""
        target.drop(name)
        if self.added == name:
            self.added = ""

    def check_undone(self) -> None:
        """After an undo nothing of ours stands there, and everything else as before."""
        if self.is_there() is not self.has_others:
            raise Broken(f"undone, and its database is {'gone' if self.has_others else 'there'}")
        if not self.has_others:
            return
        target = self.target()
        try:
            left = [OTHERS] if not self.replaces else [NUMBERS, OTHERS]
            if sorted(target.client.list_collections()) not in ([OTHERS], left):
                raise Broken(f"undone, and there are {target.client.list_collections()}")
            aliases = set(target.client.describe_collection(OTHERS)["aliases"])
            if (target.count(OTHERS), aliases) != (OTHERS_COUNT, {"theirs", *self.taken}):
                raise Broken(f"a stranger's collection is not as it was: {aliases}")
        finally:
            target.client.close()

    def _check_failure(self, error: ErrorText) -> None:
        if error.code in TEMPORARY or "The ledger" in error.message:
            return
        if error.code == NeedsPerson.code and any(said in error.message for said in HALF_DONE):
            return
        if error.code == TargetChanged.code and self.damage is not None:
            return
        if not self.expects(error):
            raise Broken(f"it failed with {error}")

    def _mismatch_is_explained(self) -> bool:
        return self.damage is not None

    def expects(self, error: ErrorText) -> bool:
        """Whether something else in its surroundings explains that failure."""
        if error.code == TargetChanged.code:
            return bool(self.added)
        return bool(self.taken) and "alias" in error.message

    def _check_successful(self) -> None:
        proved = [each.id for each in self.events if each.name == EventName.SUCCEED][-1]
        if self.damage is not None and proved <= self.damage.since:
            return  # it was true when it was said
        found = self._compared()
        if not found.nothing:
            raise Broken(f"successful, and {found}; it says {self._reports()}")
        self.damage = None
        self._check_ledger(proved)

    def _compared(self) -> Wrong:
        target = self.target()
        try:
            found = self.lane.compared_of(target, self.names)
            other = [
                each
                for each in found.other
                if each.partition(" has the alias")[0] not in self.realiased
            ]
            there = sorted(target.client.list_collections())
            if there != sorted([*self.names, *([OTHERS] if self.has_others else [])]):
                other.append(f"collections {there}")
            elif RESTING in self.names:
                properties = target.client.describe_collection(RESTING)["properties"]
                other += (
                    [f"properties {properties}"] if not properties.items() >= TTL.items() else []
                )
        finally:
            target.client.close()
        if self.lane.source.loaded(RESTING):
            other.append(f"{RESTING} was left loaded on the source")
        return Wrong(found.lost, found.doubled, tuple(other))

    def _check_ledger(self, proved: int) -> None:
        """Every chunk has its receipt; after a success each of them is proved, and nothing differs."""
        ledger = self.lane.ledger
        is_last = [each.id for each in self.events if each.to_status][-1] == proved
        for name in self.names:
            for chunk in ledger.chunks(self.run.id, name):
                unproved = chunk.verified is not True if is_last else chunk.verified is False
                if chunk.receipt is None or unproved or chunk.doubted:
                    raise Broken(f"successful, with {chunk}")
        if found := ledger.mismatch_counts(self.run.id):
            raise Broken(f"successful, with {found}")

    def _reports(self) -> list[object]:
        return [state.report for state in self.lane.ledger.collection_states(self.run.id)]
