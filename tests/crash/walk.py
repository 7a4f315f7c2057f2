"""A seeded random walk over the life of one migration: bad networks, kills, cancels, pauses, resumes, repairs, undos, strangers.

Every step draws what happens next; `promises.py` says what must be true after it. At the end nothing bad happens any more, and the
migration has to end well.
"""

import random
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

import engine
from engine.errors import TargetChanged
from engine.ledger import TransitionRefused
from engine.lifecycle import EventName, Status
from engine.model import OnConflict
from tests.beds.forks import Fork
from tests.crash.lane import NUMBERS, RESTING, WHO, Run
from tests.crash.new_keys import AUTOMATIC
from tests.crash.operator import give_back, realias
from tests.crash.outage import work_through_an_outage
from tests.crash.promises import Broken, Scene
from tests.crash.storm import Storm, Strike, armed, halted
from tests.crash.stranger import fill_others, meddle
from tests.crash.tally import Tally
from tests.crash.walk_lane import NAMES, WalkLane
from tests.crash.workers import KILLED
from tests.engine.bed import Side, until
from tests.faults.network import CHANGING, Fault, Network

STEPS = range(4, 11)
"""How many steps a walk has before its end."""
ENDING_MAX = 12
"""Attempts without any trouble after which it must have ended well."""
CHUNK_BYTES = (500, 1_000, 3_000, 12 << 10)
WORKER, UNDOING = "engine.worker", "tests.crash.undoing"
REFUSED = 2
"""What a worker ends with that comes too late: nothing is to be done any more."""
FAILED = 1
"""What the undo of `undoing.py` ends with that is not done."""
TERMINATED = -signal.SIGTERM
"""Likewise, when it is asked to end: it takes no notice of that."""

Act = Callable[[], None]
Choices = Sequence[tuple[int, Act]]


class Walk:
    """One walk.

    Args:
        lane: Whose source is migrated; one walk at a time uses it.
        seed: Says all that happens.
        tally: Gets what was done.

    Attributes:
        story: What happened, a line each.
    """

    def __init__(self, lane: WalkLane, seed: int, tally: Tally) -> None:
        self.lane = lane
        self.chance = random.Random(seed)
        self.tally = tally
        self.story: list[str] = []
        self.storm = Storm(seed, self._say)
        self.source = Network(lane.source.uri, self.storm.fault_of("source"))
        self.target = Network(lane.target_uri, self.storm.fault_of("target"))
        self.storm.over(self.source, self.target)

    def run(self, steps: range) -> None:
        """Walks so many steps, and to the end of what was begun.

        Raises:
            Broken: A promise was not kept.
        """
        with ExitStack() as stack:
            stack.enter_context(self.source)
            stack.enter_context(self.target)
            self.scene = self._begun()
            stack.callback(lambda: self.scene.target().clear())
            stack.callback(self._release)
            stack.callback(self.storm.has_passed)
            for step in range(self.chance.choice(steps)):
                self._act(step)
            self._end()
        changed = {rpc for rpc in self.source.calls if rpc.startswith(CHANGING)}
        if not changed <= {"LoadCollection", "ReleaseCollection"}:
            raise Broken(f"the source was called: {changed}")

    def _say(self, what: str) -> None:
        self.story.append(what)

    # What happens

    def _act(self, step: int) -> None:
        status = self.scene.status
        acts = self._choices(status)
        (act,) = self.chance.choices([act for _, act in acts], [weight for weight, _ in acts])
        self._say(f"{step}. {status}: {act.__name__}")
        self.step = step
        act()
        self._check()

    def _check(self) -> None:
        if self.scene.status in {Status.SUCCESSFUL, Status.UNDONE}:
            self.storm.has_passed()
        self.scene.check()

    def _choices(self, status: Status) -> Choices:
        again = ((50, self._resume), (12, self._repair), (22, self._undo), (8, self._meddle))
        held = ((9, self._cancel), (5, self._pause), (7, self._meddle))
        return {
            Status.QUEUED: ((85, self._work), (7, self._cancel), (7, self._pause)),
            Status.RUNNING: ((70, self._work), *held, (9, self._rescue)),
            Status.PAUSED: ((70, self._resume), (20, self._cancel), (10, self._meddle)),
            Status.FAILED: again,
            Status.CANCELED: again,
            Status.MISMATCHED: ((60, self._repair), *again, (6, self._verify)),
            Status.SUCCESSFUL: ((25, self._verify), (35, self._meddle), (40, self._undo)),
            Status.UNDO_ASKED: ((75, self._work), (25, self._keep)),
            Status.UNDOING: ((60, self._work), (40, self._rescue)),
            Status.UNDONE: ((100, self._again),),
        }[status]

    def _apply(self, event: EventName) -> None:
        """What a person does, or the clock; a worker that ends meanwhile may be faster."""
        self.tally.count(event.value)
        try:
            with self.lane.ledger.transaction() as act:
                act.apply(self.scene.run.id, event, actor=WHO)
        except TransitionRefused as refused:
            self._say(f"  {event} is refused: {refused.sentence}")

    def _cancel(self) -> None:
        self._apply(EventName.CANCEL)

    def _pause(self) -> None:
        self._apply(EventName.PAUSE)

    def _resume(self) -> None:
        self._apply(EventName.RESUME)

    def _verify(self) -> None:
        self._apply(EventName.VERIFY)

    def _keep(self) -> None:
        self._apply(EventName.KEEP)

    def _rescue(self) -> None:
        self._apply(EventName.RESCUE)

    def _repair(self) -> None:
        if self.scene.damage is not None:
            self.scene.damage.seen = False  # from now on it may be mended
        self._apply(EventName.REPAIR)

    def _undo(self) -> None:
        if self.chance.random() < 0.5:
            self._apply(EventName.ASK_UNDO)
        else:
            self._work(UNDOING)

    def _meddle(self) -> None:
        moves = self.chance.random() < 0.4
        if moves:
            self.storm.has_passed()  # a late drop of an alias goes by its name, whoever has it by then
        did = (realias if moves else meddle)(self.scene, self.chance)
        if did:
            who = "operators" if moves else "strangers"
            self._say(f"  one of the {who}: {did}")
            self.tally.count(who)

    # Workers

    def _work(self, program: str = WORKER) -> None:
        """A worker, over networks with faults; something may be done to it."""
        chance = self.chance
        chunk_bytes = chance.choice(CHUNK_BYTES)
        trouble = chance.choices(
            (self._left_alone, self._at_a_point, self._at_a_call, self._over_an_outage),
            (15, 35, 40, 10),
        )[0]
        self.storm.begins(self.step, chance)
        trouble(program, chunk_bytes)
        self.storm.ends()
        self._say(f"  {self.scene.said()}")

    def _left_alone(self, program: str, chunk_bytes: int) -> None:
        self._ended(self._started(program, chunk_bytes), program)

    def _over_an_outage(self, program: str, chunk_bytes: int) -> None:
        if program != WORKER:
            return self._left_alone(program, chunk_bytes)
        first = self.chance.randint(1, self.chance.choice([30, 150, 500]))
        statements = range(first, first + self.chance.choice([1, 2, 4, 20]))
        self.tally.count("ledger failures")
        run = self.scene.run
        failure = work_through_an_outage(self.lane.url, run.id, statements, chunk_bytes)
        self._say(f"  the ledger failed at its statements {statements}: {failure!r}")
        return self._lease_over()

    def _at_a_point(self, program: str, chunk_bytes: int) -> None:
        deed = self.chance.choice(["kill", "kill", "cancel", "pause", "terminate", "replace"])
        at = self._when(program, 100)
        self._say(f"  {deed} at its point {at}")
        environment = armed(at, to_kill=deed == "kill")
        worker = self._started(program, chunk_bytes, **environment)
        if deed != "kill":
            halted(worker, self.lane.url, lambda worker: self._do(deed, worker))
        self._ended(worker, program)

    def _at_a_call(self, program: str, chunk_bytes: int) -> None:
        deed = self.chance.choice(["kill", "kill", "kill", "cancel", "pause", "terminate"])
        changing = self.chance.random() < 0.7
        at = self._when(program, 50 if changing else 120)
        fault = self.chance.choice([None, Fault.AFTER, Fault.AFTER, Fault.BEFORE, Fault.LOST])
        self._say(f"  {deed} at its {'changing ' if changing else ''}call {at}, {fault}")
        workers: list[Fork] = []
        begun = threading.Event()

        def do() -> None:
            begun.wait()
            self._do(deed, workers[0])

        self.storm.strikes(Strike(at, changing, fault, do))
        workers.append(self._started(program, chunk_bytes))
        begun.set()
        self._ended(workers[0], program)

    def _when(self, program: str, copying: int) -> int:
        """The number of a point or a call: mostly one that there is."""
        undoing = program == UNDOING or self.scene.status in {Status.UNDO_ASKED, Status.UNDOING}
        most = copying // 10 if undoing else self.chance.choice([copying // 8, copying])
        return self.chance.randint(1, max(2, most))

    def _started(self, program: str, chunk_bytes: int, **environment: str) -> Fork:
        environment["FERRY_CHUNK_BYTES"] = str(chunk_bytes)
        run = self.scene.run
        return self.lane.workers.start(run.id, self.lane.url, program=program, **environment)

    def _ended(self, worker: Fork, program: str = WORKER) -> None:
        try:
            code = worker.wait()
        except subprocess.TimeoutExpired:
            worker.kill()
            raise Broken(f"a worker hangs: {worker.log.read_text()}") from None
        said = worker.log.read_text()
        self.tally.count("kills", code == KILLED)
        undoing = {FAILED, TERMINATED} if program == UNDOING else set()
        if code not in {0, KILLED, REFUSED, *undoing}:
            raise Broken(f"{program} ended with {code}: {said}")

    def _do(self, deed: str, worker: Fork) -> None:
        if deed in {"cancel", "pause"}:
            return self._apply(EventName(deed))
        if deed == "kill":
            return worker.kill()
        if deed == "terminate":
            self.tally.count("terminations")
            return worker.terminate()
        self.tally.count("takeovers")
        self._lease_over()
        self._ended(self._started(WORKER, CHUNK_BYTES[0]))
        return self._say(f"  replaced: {self.scene.said()}")

    def _lease_over(self) -> None:
        """Returns when nobody holds the migration: a worker in this process dies only with it."""

        def over() -> bool:
            held = self.lane.ledger.migration(self.scene.run.id)
            expires = held.lease_expires_at
            return not held.lease_owner or expires is None or expires <= datetime.now(UTC)

        until(over)

    # Beginning and end

    def _begun(self) -> Scene:
        names = self.chance.sample(NAMES, self.chance.choice([1, 2, 2, 3]))
        if self.lane.new_keys and AUTOMATIC not in names:
            names[0] = AUTOMATIC
        names.sort()
        replaces = NUMBERS in names and self.chance.random() < 0.3
        others = replaces or self.chance.random() < 0.4
        database = self.lane.database()
        self._say(f"{names}, {replaces=}, {others=}, {database}")
        if others:
            fill_others(Side(self.lane.target_uri, database), replaces=replaces)
        run = self._queued(names, database, replaces=replaces)
        return Scene(self.lane, database, names, others, replaces, run)

    def _queued(self, names: list[str], database: str, *, replaces: bool) -> Run:
        conflict = OnConflict.REPLACE if replaces else OnConflict.FAIL
        return self._requested(names, database, conflict)

    def _requested(self, names: list[str], database: str, conflict: OnConflict) -> Run:
        common = {"collections": names, "on_conflict": conflict}
        plan = self.lane.planned(self.lane.request(database, **common))
        ends = {"source_uri": self.source.uri, "target_uri": self.target.uri}
        request = self.lane.request(database, **common, **ends)
        checked = request.model_copy(update={"check_source": self.chance.random() < 0.2})
        run = self.lane.queued(plan.model_copy(update={"request": checked}))
        self._say(f"queued as {run.id}")
        self.tally.count("migrations")
        return run

    def _again(self) -> None:
        """After an undo: a fresh migration of the same collections, to the same place."""
        self._release()  # a migration that was never resumed does not
        give_back(self.scene)  # or its plan would tell of a conflict
        scene = self.scene
        if scene.replaces:
            target = scene.target()
            scene.replaces = NUMBERS in target.client.list_collections()
            target.client.close()
        scene.run = self._queued(scene.names, scene.database, replaces=scene.replaces)
        scene.damage = None

    def _release(self) -> None:
        if self.lane.source.loaded(RESTING):
            self.lane.source.client.release_collection(RESTING)

    def _end(self) -> None:
        """Nothing bad happens any more."""
        self.storm.has_passed()
        give_back(self.scene)
        is_anew = False
        for _ in range(ENDING_MAX):
            scene = self.scene
            self._say(f"at the end: {scene.said()}")
            if scene.status in {Status.QUEUED, Status.RUNNING, Status.UNDO_ASKED, Status.UNDOING}:
                self._lease_over()
                self._left_alone(WORKER, CHUNK_BYTES[1])
                scene.check()
            elif scene.status in {Status.FAILED, Status.CANCELED, Status.PAUSED}:
                self._clear_away()
                self._resume()
            elif scene.status is Status.MISMATCHED and scene.damage and scene.damage.keyless:
                is_anew = True
                self._remigrate()
            elif scene.status is Status.MISMATCHED:
                self._repair()
            elif scene.damage is not None and scene.status is Status.SUCCESSFUL:
                self._verify()
            elif scene.status is Status.SUCCESSFUL and not is_anew and self.chance.random() < 0.5:
                self._apply(EventName.ASK_UNDO)
            else:
                return
        raise Broken(f"it never ends well: {self.scene.said()}")

    def _clear_away(self) -> None:
        """Drops what a copy would have to start over and that someone else wrote to, as its failure advises."""
        scene = self.scene
        error = self.lane.ledger.migration(scene.run.id).error
        if error is None or error.code != TargetChanged.code:
            return
        target = scene.target()
        if AUTOMATIC in target.client.list_collections():
            self._say("  dropped by hand")
            scene.dropped(target, AUTOMATIC)
        target.client.close()

    def _remigrate(self) -> None:
        """What the target keyed anew and someone changed is not mended: it is dropped and migrated again."""
        scene = self.scene
        plan = self.lane.planned(engine.remigration(self.lane.ledger, scene.run.id))
        scene.run = self.lane.queued(plan)
        self._say(f"asked for again as {scene.run.id}")
        self.tally.count("remigrations")


def walked(
    lane: WalkLane, seed: int, tally: Tally, steps: range = STEPS, kind: type[Walk] = Walk
) -> list[str]:
    """Walks once, and adds to the tally what was done and what was wrong; returns the story."""
    walk = kind(lane, seed, tally)
    try:
        walk.run(steps)
    except AssertionError as broken:
        story = "\n".join(walk.story)
        what = f"{kind.__name__} over a {type(lane).__name__}"
        with tally.lock:
            tally.wrong.append(f"seed {seed}, a {what}: {broken}\n{story}")
    tally.count("walks")
    tally.count("faults", len(walk.source.done) + len(walk.target.done))
    return walk.story
