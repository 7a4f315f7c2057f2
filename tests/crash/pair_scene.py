"""What must be true of two migrations of one ledger at any moment of a walk.

Each collection on the target that one of them made stands there until that one drops it, a stranger does, or another one does whose
plan says that just this one is deleted. What a migration says of its own is held against the source for as long as it stands there.
"""

from dataclasses import dataclass, field

from engine.errors import TargetNotEmpty
from engine.lifecycle import EventName
from engine.model import CollectionPlan, ErrorText
from tests.crash.lane import RESTING, Run, Wrong
from tests.crash.new_keys import AUTOMATIC
from tests.crash.promises import Broken, Damage, Scene
from tests.crash.walk_lane import NAMES, OTHERS, OTHERS_COUNT, WalkLane


@dataclass(eq=False)
class Place:
    """A database of the target.

    Attributes:
        others: Whether a stranger's collection stands there.
        runs: All migrations that ever went there.
        gone: Ids of collections that a stranger dropped.
    """

    database: str
    others: bool
    runs: list[Run] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)


@dataclass
class PairScene(Scene):
    """One of two migrations and its place."""

    place: Place = field(kw_only=True)

    @classmethod
    def of(cls, lane: WalkLane, place: Place, names: list[str], run: Run) -> "PairScene":
        """A scene of a migration that was just asked for."""
        return cls(lane, place.database, names, place.others, replaces=False, run=run, place=place)

    def standing(self) -> dict[str, int]:
        """The ids of the collections that stand in the place, by name."""
        if not self.is_there():
            return {}
        target = self.target()
        try:
            names = target.client.list_collections()
            described = {name: target.client.describe_collection(name) for name in names}
            return {name: int(each["collection_id"]) for name, each in described.items()}
        finally:
            target.client.close()

    def made(self, run: Run | None = None) -> dict[str, int]:
        """The ids of the collections that a migration made, as the ledger knows them."""
        states = self.lane.ledger.collection_states((run or self.run).id)
        return {each.name: each.target_id for each in states if each.target_id is not None}

    @property
    def is_displaced(self) -> bool:
        """Whether something that it made does not stand there any more."""
        there = self.standing()
        return any(there.get(name) != ours for name, ours in self.made().items())

    def meddled(self, gone: set[int], *, keyless: bool) -> None:
        """A stranger was at the place, and dropped these."""
        self.place.gone |= gone
        self.damage = Damage(seen=False, since=self.events[-1].id, keyless=keyless)

    def check(self) -> None:
        """Holds the migration, and whose the collections of its place are, against what is promised."""
        super().check()
        there = self.standing()
        for run in self.place.runs:
            undone = self._undo_began(run)  # what it dropped it records after that
            for name, ours in self.made(run).items():
                starts_over = name == AUTOMATIC and self.lane.new_keys  # likewise
                allowed = undone or starts_over or ours in self.place.gone
                allowed = allowed or self._may_be_replaced(name, ours)
                if there.get(name) != ours and not allowed:
                    raise Broken(f"{name} of {run.id} with the id {ours} is gone: {there}")
        if self.has_others:
            self._check_others()

    def check_undone(self) -> None:
        """After an undo nothing of ours stands there; everything else is looked at in `check`."""
        if made := self.made():
            raise Broken(f"undone, and {made} is still its own")
        if not self.has_others and len(self.place.runs) == 1 and self.is_there():
            raise Broken("undone, and its database is there")

    def check_end(self) -> None:
        """When both have ended nothing is left loaded that was released, and nothing released that was loaded."""
        source = self.lane.source
        loaded = [name for name in NAMES if source.loaded(name)]
        marked = [
            run.id
            for run in self.place.runs
            for state in self.lane.ledger.collection_states(run.id)
            if state.source_was_loaded is False
        ]
        if sorted({*loaded, RESTING}) != sorted(NAMES):
            raise Broken(f"of the source are loaded {loaded}")
        if RESTING in loaded and not marked:
            raise Broken(f"{RESTING} was left loaded on the source, and nobody is to release it")

    def expects(self, error: ErrorText) -> bool:
        """Another one's collection may stand where it would make its own."""
        return error.code == TargetNotEmpty.code and len(self.place.runs) > 1

    def _undo_began(self, run: Run) -> bool:
        events = self.lane.ledger.events(migration_id=run.id)
        return any(event.name == EventName.DROP for event in events)

    def _may_be_replaced(self, name: str, collection_id: int) -> bool:
        """Whether a migration that goes there says that just this collection is deleted."""
        return any(
            plan.replaces is not None and plan.replaces.id == collection_id
            for run in self.place.runs
            for plan in self._plans(run)
            if plan.name == name
        )

    def _plans(self, run: Run) -> tuple[CollectionPlan, ...]:
        plan = self.lane.ledger.migration(run.id).plan
        return plan.collections if plan else ()

    def _check_others(self) -> None:
        target = self.target()
        try:
            aliases = target.client.describe_collection(OTHERS)["aliases"]
            if (target.count(OTHERS), aliases) != (OTHERS_COUNT, ["theirs"]):
                raise Broken("a stranger's collection is not as it was")
        finally:
            target.client.close()

    def _mismatch_is_explained(self) -> bool:
        return super()._mismatch_is_explained() or self.is_displaced

    def _compared(self) -> Wrong:
        """What still stands there of its own is compared."""
        there, made = self.standing(), self.made()
        names = [name for name in self.names if name in there and there[name] == made.get(name)]
        if not names:
            return Wrong(0, 0, ())
        target = self.target()
        try:
            return self.lane.compared_of(target, names)
        finally:
            target.client.close()
