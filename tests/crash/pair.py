"""A seeded random walk over the lives of two migrations of one ledger that are alive at the same time.

Either both go to one place, where each may be asked to replace what the other one made, or each goes to a place of its own and both
read one collection of the source that was released. While something happens to one of them the other one's worker may be at it.
"""

import engine
from engine.errors import TargetNotEmpty
from engine.lifecycle import DUE, HELD, EventName, Status
from engine.model import OnConflict, Secrets
from tests.beds.forks import Fork
from tests.crash.lane import RESTING, Run
from tests.crash.pair_scene import PairScene, Place
from tests.crash.promises import Broken
from tests.crash.storm import armed
from tests.crash.stranger import fill_others, meddle
from tests.crash.walk import CHUNK_BYTES, ENDING_MAX, Choices, Walk
from tests.crash.walk_lane import NAMES
from tests.engine.bed import Side

ENDED = frozenset({Status.SUCCESSFUL, Status.UNDONE})
BESIDE = 0.6
"""The share of steps in which the other one's worker, where one is due, is at it meanwhile."""


class PairWalk(Walk):
    """One walk of two migrations; `scene` is the one to which something happens."""

    scene: PairScene
    scenes: list[PairScene]
    _beside: tuple[PairScene, Fork] | None = None

    @property
    def rival(self) -> PairScene:
        """The other one."""
        return next(each for each in self.scenes if each is not self.scene)

    # Beginning

    def _begun(self) -> PairScene:
        chance = self.chance
        first, second = self._names(), self._names()
        places = [self._place(others=chance.random() < 0.4)]
        if chance.random() < 0.65:
            second = sorted({chance.choice(first), *second[:2]})
            places *= 2
        else:
            first, second = sorted({RESTING, *first}), sorted({RESTING, *second})
            places.append(self._place(others=False))
        self.scenes = []
        for names, place in zip((first, second), places, strict=True):
            run = self._asked(names, place, chance.choice(list(OnConflict)))
            self.scenes.append(PairScene.of(self.lane, place, names, run))
        return self.scenes[0]

    def _names(self) -> list[str]:
        return sorted(self.chance.sample(NAMES, self.chance.choice([1, 2, 2, 3])))

    def _place(self, *, others: bool) -> Place:
        place = Place(self.lane.database(), others)
        self._say(f"{place.database}, {others=}")
        if others:
            fill_others(Side(self.lane.target_uri, place.database), replaces=False)
        return place

    def _asked(self, names: list[str], place: Place, conflict: OnConflict) -> Run:
        self._say(f"{names} to {place.database}, {conflict=}")
        run = self._requested(names, place.database, conflict)
        place.runs.append(run)
        return run

    # What happens

    def _act(self, step: int) -> None:
        self.scene = self.chance.choice(self.scenes)
        self._say(f"to {self.scene.run.id}:")
        if self.chance.random() < BESIDE and self.rival.status in DUE | HELD:
            self._begin_beside(self.rival)
        super()._act(step)

    def _choices(self, status: Status) -> Choices:
        more = ((12, self._again),) if status in {Status.FAILED, Status.CANCELED} else ()
        return (*super()._choices(status), *more)

    def _begin_beside(self, rival: PairScene) -> None:
        environment = {"FERRY_CHUNK_BYTES": str(self.chance.choice(CHUNK_BYTES))}
        how = ""
        if self.chance.random() < 0.4:
            at = self.chance.randint(1, 60)
            environment |= armed(at, to_kill=True)
            how = f", killed at its point {at}"
        self._say(f"  beside it a worker of {rival.run.id}{how}")
        worker = self.lane.workers.start(rival.run.id, self.lane.url, **environment)
        self._beside = rival, worker

    def _check(self) -> None:
        if self._beside is not None:
            rival, worker = self._beside
            self._beside = None
            self._ended(worker)
            self._say(f"  beside it: {rival.run.id} {rival.said()}")
            self.tally.count("workers beside")
        self._check_both()

    def _check_both(self) -> None:
        if any(scene.status in ENDED for scene in self.scenes):
            self.storm.has_passed()
        for scene in self.scenes:
            try:
                scene.check()
            except Broken as broken:
                raise Broken(f"{scene.run.id}: {broken}") from broken

    def _meddle(self) -> None:
        before = self.scene.standing()
        did = meddle(self.scene, self.chance)
        if not did:
            return
        self._say(f"  a stranger: {did}")
        self.tally.count("strangers")
        keyless = self.scene.damage is not None and self.scene.damage.keyless
        gone = set(before.values()) - set(self.scene.standing().values())
        for scene in self.scenes:
            if scene.place is self.scene.place:
                scene.meddled(gone, keyless=keyless)

    def _again(self) -> None:
        """A fresh migration of the same collections to the same place, which replaces what stands there by now."""
        scene = self.scene
        scene.run = self._asked(scene.names, scene.place, OnConflict.REPLACE)
        scene.damage = None

    # The end

    def _end(self) -> None:
        self.storm.has_passed()
        self.chance.shuffle(self.scenes)
        for scene in self.scenes:
            self.scene = scene
            for _ in range(ENDING_MAX):
                if not self._end_once():
                    break
                self._check_both()
            else:
                raise Broken(f"{scene.run.id} never ends well: {scene.said()}")
        for scene in self.scenes:
            scene.check_end()

    def _end_once(self) -> bool:
        """Does what ends the migration; returns whether there was anything to do."""
        scene = self.scene
        migration = self.lane.ledger.migration(scene.run.id)
        self._say(f"at the end: {scene.run.id} {scene.said()}")
        refused = migration.error is not None and migration.error.code == TargetNotEmpty.code
        if scene.status in DUE | HELD:
            self._lease_over()
            self._left_alone("engine.worker", CHUNK_BYTES[1])
        elif scene.status in {Status.FAILED, Status.MISMATCHED} and (refused or scene.is_displaced):
            # Another one has what it would make, or a stranger dropped it. What he wrote to is undone by who insists.
            if any(event.name == EventName.UNDO_LEFT for event in scene.events):
                engine.undo(self.lane.ledger, scene.run.id, Secrets(), force=True)
            else:
                self._apply(EventName.ASK_UNDO)
        elif scene.status in {Status.FAILED, Status.CANCELED, Status.PAUSED}:
            before = scene.standing()
            self._clear_away()
            scene.place.gone |= set(before.values()) - set(scene.standing().values())
            self._resume()
        elif scene.status is Status.MISMATCHED and scene.damage and scene.damage.keyless:
            engine.undo(self.lane.ledger, scene.run.id, Secrets(), force=True)
        elif scene.status is Status.MISMATCHED:
            self._repair()
        elif scene.status is Status.SUCCESSFUL and self.chance.random() < 0.3:
            self._apply(EventName.ASK_UNDO)
        else:
            return False
        return True
