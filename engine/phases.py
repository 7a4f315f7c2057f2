"""The phases of one attempt: create, copy, load, repair if that was asked for, verify, alias; or verify alone.

Each can be repeated: what is done is in the ledger, so that a second start goes on where the first
one ended. Nothing here decides how the migration ends; it is told by what the phases return or raise.
"""

import math
import time
from collections.abc import Callable
from typing import Final

from engine import crashpoints, handover
from engine.copier import Copier
from engine.descent import Tally
from engine.errors import MustStartOver, SourceUnusable
from engine.flow import Sizes
from engine.heartbeat import Heartbeat
from engine.ledger import Ledger
from engine.lifecycle import EventName
from engine.loads import Loads
from engine.memory import hand_back, keep_small
from engine.milvus import definitions, loading, properties
from engine.milvus.failures import MilvusRefused
from engine.milvus.pages import CollectionReader, read_point
from engine.milvus.survey import reader_of
from engine.model import (
    CollectionPlan,
    CollectionReport,
    CollectionState,
    KeyPolicy,
    Lease,
    Plan,
)
from engine.model.state import REPLACING, WAITING
from engine.ownership import Owner, owner_of
from engine.patience import patiently
from engine.preparer import Preparer
from engine.proof.gaps import surplus_of
from engine.proof.keyless import proof_of
from engine.ranges import CHUNK_BYTES, chunk_entities, plan_ranges
from engine.repairer import Repairer
from engine.stopwatch import Stopwatch
from engine.together import checked, together

REPAIRED: Final = "repaired"
"""The note that says of a collection how many keys were written and how many deleted."""

STARTS_MAX: Final = 3
"""How often one attempt begins to copy a collection that has to start over."""

READ_POINT_SECONDS: Final = 10.0
"""How long one read point serves the copies that begin: a server takes 0.3 s to reach a new one (measured), for each collection."""

_KEYS_READ: Final = "All keys of “{}” are read first, to plan its chunks."


class _NotOurs(Exception):
    """What was compared is not what this migration made; why it is not."""


class Phases:
    """One attempt at one migration.

    Args:
        ledger: What is done already, and where progress goes.
        lease: The worker's right to write.
        plan: What is to be done.
        source: The loads of the open source.
        target: The loads of the open target.
        heartbeat: Says between chunks whether to stop.
        chunk_bytes: Size of a chunk that is planned now, and of its pages.

    Attributes:
        verdicts: What a new verification found, once everything is compared. It counts when the attempt ends so: until then the
            migration stands with what it had ended with.
    """

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        plan: Plan,
        source: Loads,
        target: Loads,
        heartbeat: Heartbeat,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self.ledger = ledger
        self.lease = lease
        self.plan = plan
        self.source_loads, self.source = source, source.cluster
        self.target_loads, self.target = target, target.cluster
        self.heartbeat = heartbeat
        self.chunk_bytes = chunk_bytes
        self.sizes = Sizes()
        self.verdicts: dict[str, CollectionReport] = {}
        self._read_point_taken, self._timestamp = -math.inf, 0
        self.preparer = Preparer(
            self.source,
            self.target,
            ledger,
            lease,
            plan.request,
            heartbeat.check_now,
            heartbeat.outlast_others,
            heartbeat.outlast_migrations,
            heartbeat.take_over,
        )

    def run(self) -> EventName:
        """Goes through the phases.

        Returns:
            SUCCEED when everything is proved, MISMATCH when something is not the same.
        """
        asked = self.ledger.asked_of(self.lease.migration_id)
        if asked is not None:
            # What was lost before may be another work's: a late drop of an undo would take what is proved here.
            self.heartbeat.outlast_others()
        self._read_point()  # the source reaches it while the memory is put in order and the target's collections are made
        keep_small()
        if asked is EventName.VERIFY:
            self._enter("verify", again=True)
            return self._verify_again()
        self._enter("create")
        self._replace_nothing()
        # Before the database is looked for: an undo of whoever made it takes it as long as it is empty.
        names = frozenset(plan.name for plan in self.plan.collections)
        self.heartbeat.outlast_migrations(names, database=True)
        self.preparer.database(self.plan.database_properties)
        self._each(lambda plan: self.preparer.collection(plan, self._state(plan)))
        self._enter("copy")
        self._each(self._reading(self._copied))
        self._enter("load")
        # Ten loads at once take a real server as long as one (2.5 s; one after the other 30 s).
        self._each(lambda plan: loading.ask(self.target, plan.name, plan.replicas))
        self._each(self._load)
        if asked is EventName.REPAIR:
            self._enter("repair")
            self._each(self._reading(self._repair))
        self._enter("verify")
        together(
            self.ledger,
            self.lease.migration_id,
            self.plan.collections,
            self._reading(self._verify),
            self.heartbeat.check,
        )
        self._enter("alias")
        self._each(self._alias)
        return EventName.SUCCEED if self._is_proved() else EventName.MISMATCH

    def _replace_nothing(self) -> None:
        """What a worker that was lost was about to replace is not being replaced now: who waits for that may be waited for here."""
        for state in self.ledger.collection_states(self.lease.migration_id):
            if state.phase == REPLACING:
                self.ledger.set_collection(self.lease, state.name, phase=WAITING)

    def _is_proved(self) -> bool:
        states = self.ledger.collection_states(self.lease.migration_id)
        proved = {each.name for each in states if each.report is not None and each.report.verified}
        return all(plan.name in proved for plan in self.plan.collections)

    def _enter(self, phase: str, **more: bool) -> None:
        self.heartbeat.check_now()
        self.ledger.set_phase(self.lease, phase)
        crashpoints.reached("entered")
        self.ledger.note(self.lease, "phase", {"phase": phase, **more})
        hand_back()

    def _each(self, work: Callable[[CollectionPlan], None]) -> None:
        for plan in self.plan.collections:
            self.heartbeat.check()
            work(plan)

    def _reading(self, work: Callable[[CollectionPlan], None]) -> Callable[[CollectionPlan], None]:
        """Work that reads the source: where its server refuses that because something is gone there, plainer words say so."""

        def said(plan: CollectionPlan) -> None:
            try:
                work(plan)
            except (MilvusRefused, SourceUnusable):
                self.preparer.check_source(plan, whole=True)
                raise

        return said

    def _state(self, plan: CollectionPlan) -> CollectionState:
        return self.ledger.collection_state(self.lease.migration_id, plan.name)

    def _copied(self, plan: CollectionPlan) -> None:
        """Copies a collection; one that cannot go on where it was interrupted starts over, a few times."""
        for _ in range(STARTS_MAX - 1):
            try:
                return self._copy(plan)
            except MustStartOver:
                self.preparer.start_over(plan)
        return self._copy(plan)

    def _copy(self, plan: CollectionPlan) -> None:
        self.source_loads.borrow(self._state(plan))
        reader = reader_of(self.source, plan, self._read_point())
        size = chunk_entities(plan.entities, plan.bytes, self.chunk_bytes)
        if not self.ledger.chunks_planned(self.lease.migration_id, plan.name):
            crashpoints.reached("planning_chunks")
            with patiently(self.heartbeat.flow.waits, _KEYS_READ.format(plan.name)) as still:
                ranges = checked(plan_ranges(reader.keys, plan, size), self.heartbeat.check, still)
                self.ledger.store_chunks(self.lease, plan.name, "", ranges)
            crashpoints.reached("chunks_stored")
        counted = self._counted(plan, reader)
        self._record(plan, phase="copying", read_timestamp=reader.timestamp)
        clock = Stopwatch(
            self._state(plan).copy_seconds,
            self.heartbeat.check,
            lambda seconds: self._record(plan, copy_seconds=seconds),
        )
        try:
            self._copier(plan, reader, size, counted, clock.check).run()
        finally:
            clock.record()
        self._record(plan, phase="copied")
        crashpoints.reached("copied")

    def _counted(self, plan: CollectionPlan, reader: CollectionReader) -> int:
        """What the source counts; before anything is copied it is recorded how many of these share a key."""
        counted = reader.count("")
        if self._state(plan).source_surplus is None:
            chunks = self.ledger.chunk_sums(self.lease.migration_id, plan.name)
            if not chunks.attempted:
                # Key by key: a count may lag, and keys come and go between it and the list.
                surplus = 0 if counted == chunks.entities else surplus_of(reader, plan)
                self._record(plan, source_surplus=surplus)
        return counted

    def _read_point(self) -> int:
        """A timestamp that covers all that was written to the source until a few seconds ago."""
        if time.monotonic() - self._read_point_taken >= READ_POINT_SECONDS:
            self._read_point_taken = time.monotonic()
            self._timestamp = read_point(self.source)
        return self._timestamp

    def _copier(
        self,
        plan: CollectionPlan,
        reader: CollectionReader,
        size: int,
        counted: int,
        check: Callable[[], None],
    ) -> Copier:
        place = (self.lease.migration_id, plan.name)
        chunks = self.ledger.chunk_sums(*place)
        return Copier(
            reader,
            self.target,
            plan,
            self.ledger,
            self.lease,
            size,
            exact=counted == chunks.entities,
            check=check,
            fence=self.heartbeat.check_now,
            turn=self.heartbeat.flow.turn,
            settle=self.heartbeat.outlast_others,
            sizes=self.sizes,
            tally=Tally.of(chunks, self.ledger.taken_chunk(*place)),
        )

    def _load(self, plan: CollectionPlan) -> None:
        crashpoints.reached("loading")
        loading.wait(self.target, plan.name, plan.replicas)
        self.target_loads.keep(plan.name, plan.replicas)
        crashpoints.reached("loaded")
        self._record(plan, phase="loaded")

    def _repair(self, plan: CollectionPlan) -> None:
        if plan.keys is KeyPolicy.NEW:  # the report says so
            return
        self._record(plan, phase="repairing")
        size = chunk_entities(plan.entities, plan.bytes, self.chunk_bytes)
        reader = reader_of(self.source, plan)
        copier = self._copier(plan, reader, size, reader.count(""), self.heartbeat.check)
        mended = Repairer(copier).run()
        if any(mended.values()):
            self.ledger.note(self.lease, REPAIRED, {"collection": plan.name, **mended})

    def _verify_again(self) -> EventName:
        """Compares what an ended migration made with all of the source as it is now; nothing is written on the target."""
        found: dict[str, CollectionReport] = {}

        def compare(plan: CollectionPlan) -> None:
            found[plan.name] = self._compared_again(plan)

        self._each(self._reading(compare))
        self.heartbeat.check_now()
        self.verdicts = found
        same = all(report.verified for report in found.values())
        return EventName.SUCCEED if same else EventName.MISMATCH

    def _compared_again(self, plan: CollectionPlan) -> CollectionReport:
        state = self._state(plan)
        if why := self._why_not_ours(plan, state):
            return self._absent(plan, why)
        self.source_loads.borrow(state)
        self.target_loads.borrow(state)

        def judged() -> CollectionReport:
            report = self._compared(plan, check_source=True)
            unsettled = definitions.unsettled(self.target, plan)
            return handover.judged(report, unsettled, handed_over=state.handed_over)

        report = self._unless_gone(plan, judged)
        borrowed = self._state(plan)
        self.target_loads.give_back(borrowed)
        was_released = borrowed.target_was_loaded is False
        return handover.noted(report, handover.RELEASED if was_released else "")

    def _why_not_ours(self, plan: CollectionPlan, state: CollectionState) -> str:
        """Why what stands on the target, if anything does, is not what this migration made; "" where it is."""
        match owner_of(self.target, plan, state, self.ledger, self.lease.migration_id):
            case Owner.OURS | Owner.CHANGED:
                return ""
            case Owner.NOBODY:
                return handover.ABSENT
            case _:
                return handover.ANOTHERS

    def _unless_gone(
        self, plan: CollectionPlan, judged: Callable[[], CollectionReport]
    ) -> CollectionReport:
        """The report; where what is compared is dropped meanwhile, or another one stands there by now, one of that."""
        try:
            return judged()
        except _NotOurs as gone:
            return self._absent(plan, str(gone))
        except MilvusRefused:
            if why := self._why_not_ours(plan, self._state(plan)):
                return self._absent(plan, why)
            raise

    def _absent(self, plan: CollectionPlan, why: str) -> CollectionReport:
        chunks = self.ledger.chunk_sums(self.lease.migration_id, plan.name)
        return CollectionReport(
            name=plan.name,
            source_entities=plan.entities,
            target_entities=0,
            missing=chunks.copied,
            notes=(why,),
            absent=why == handover.ABSENT,
        )

    def _compared(self, plan: CollectionPlan, *, check_source: bool) -> CollectionReport:
        self._record(plan, phase="verifying")
        proof = proof_of(
            self.source, self.target, plan, self.heartbeat.check, check_source=check_source
        )
        report = proof.of_migration(self.ledger, self.lease)
        crashpoints.reached("verified")
        if why := self._why_not_ours(plan, self._state(plan)):  # it may hold the very same
            raise _NotOurs(why)
        if plan.keys is KeyPolicy.NEW and not report.verified:
            return handover.noted(report, handover.KEYLESS)
        return report

    def _verify(self, plan: CollectionPlan) -> None:
        state = self._state(plan)

        def judged() -> CollectionReport:
            report = self._compared(plan, check_source=self.plan.request.check_source)
            if report.verified:
                self.preparer.settle(plan, handed_over=state.handed_over)
            if not state.handed_over:
                return report
            unsettled = definitions.unsettled(self.target, plan)
            return handover.judged(report, unsettled, handed_over=True)

        report = self._unless_gone(plan, judged)
        if not (state.handed_over or report.verified):
            report = handover.noted(report, properties.pending(plan))
        self._record(plan, phase="verified", report=report)
        crashpoints.reached("verdict_recorded")

    def _alias(self, plan: CollectionPlan) -> None:
        """Hands a proved collection over, also where another one is not: what is migrated again is that one alone."""
        state = self._state(plan)
        if state.report is None or not state.report.verified:
            return
        present = definitions.aliases(self.target, plan.name)
        for alias in () if state.handed_over else plan.aliases:
            if alias not in present:
                self.heartbeat.check()
                crashpoints.reached("aliasing")
                definitions.create_alias(self.target, plan.name, alias)
                crashpoints.reached("aliased")
        self._record(plan, phase="done", handed_over=True)
        crashpoints.reached("done")

    def _record(self, plan: CollectionPlan, **changes: object) -> None:
        self.ledger.set_collection(self.lease, plan.name, **changes)
