"""Makes the target's collections and knows which of them are this migration's own.

Nothing that stands on the target is touched unless this migration made it, or its plan says that just this one is deleted. No
entity is written here.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from engine import crashpoints
from engine.errors import SourceChanged, TargetChanged, TargetNotEmpty, TargetUnsupported
from engine.ledger import Ledger
from engine.milvus import definitions, schemas
from engine.milvus.connection import Cluster
from engine.milvus.failures import MilvusRefused
from engine.milvus.survey import held
from engine.model import CollectionPlan, CollectionState, KeyPolicy, Lease, OnConflict, Request
from engine.model.state import CREATING, CREATING_DATABASE, WAITING
from engine.ownership import Fate, Owner, drop_created, in_use, owner_of
from engine.proof.untouched import Untouched

CREATED = "created"
STARTED_OVER: Final = "started_over"
"""The note that a collection was dropped and is copied again from its start."""


class Preparer:
    """Prepares the target of one migration.

    Args:
        source: Where the definitions come from.
        target: Where the collections are made.
        ledger: Where ownership is recorded.
        lease: The worker's right to write.
        request: What was asked for; the plan says what is dropped for it.
        check: Called before each collection and before anything is dropped; asks the ledger and raises a
            `StopWork` when the work must end.
        outlast: Returns once no write of a worker that was lost can arrive any more.
        outlast_migrations: As `outlast`, for what other migrations lost on the way to the target's collections of these names.
        take_over: Returns once no worker of another migration is at its collection of this name and id, nor will be.
    """

    def __init__(
        self,
        source: Cluster,
        target: Cluster,
        ledger: Ledger,
        lease: Lease,
        request: Request,
        check: Callable[[], None],
        outlast: Callable[[], None],
        outlast_migrations: Callable[[Collection[str]], None],
        take_over: Callable[[str, int], None],
    ) -> None:
        self.source = source
        self.target = target
        self.ledger = ledger
        self.lease = lease
        self.request = request
        self.check = check
        self.outlast = outlast
        self.outlast_migrations = outlast_migrations
        self.take_over = take_over

    def database(self, database_properties: Mapping[str, str]) -> None:
        """Makes the target's database with these properties if it is not there."""
        name = self.target.database
        if name not in definitions.database_names(self.target):
            self.ledger.note(self.lease, CREATING_DATABASE, {"database": name})
            crashpoints.reached("creating_database")
            definitions.create_database(self.target, name, database_properties)
            crashpoints.reached("database_created")

    def collection(self, plan: CollectionPlan, state: CollectionState | None) -> None:
        """Makes sure that the target holds this migration's own collection, defined as planned.

        Raises:
            TargetNotEmpty: Another collection of that name stands there.
            TargetChanged: Someone else wrote to it, and it would have to start over.
            TargetUnsupported: The target made something else of the definition.
            SourceChanged: The source's definition is not the planned one any more.
        """
        self.check()
        self.outlast_migrations((plan.name,))  # their late calls go by the name too
        self.check_source(plan)
        match self._owner(plan, state):
            case Owner.NOBODY:
                self._create(plan)
            case Owner.OURS if self._in_doubt(plan):
                self.start_over(plan)
            case Owner.OURS:
                definitions.complete(self.target, plan)
            case Owner.BEGUN:
                # A crash fell between the creation and its record.
                definitions.complete(self.target, plan)
                self._record(plan)
            case Owner.REPLACED:
                self._replace(plan)
            case _:
                raise self._in_the_way(plan.name)

    def start_over(self, plan: CollectionPlan) -> None:
        """Drops this migration's own collection, if nobody else wrote to it, and makes it again, empty, with nothing of it copied.

        Raises:
            TargetNotEmpty: What stands there is not this migration's.
            TargetChanged: Someone else wrote to it.
        """
        self.check()
        state = self.ledger.collection_state(self.lease.migration_id, plan.name)
        self.outlast()  # a late insert goes by the name, into what is made anew
        if self._owner_now(plan, state) in {Owner.OURS, Owner.CHANGED}:
            self._require_untouched(plan)
            self.check()
        fate = drop_created(self.target, plan, state, self.ledger, self.lease.migration_id)
        if fate is Fate.LEFT:
            raise self._in_the_way(plan.name)
        self.ledger.note(self.lease, STARTED_OVER, {"collection": plan.name})
        self._create(plan)

    def settle(self, plan: CollectionPlan, *, handed_over: bool) -> None:
        """Gives the proved collection its last properties (lifetimes among them) and takes away what only the copy needed.

        Args:
            plan: Which collection.
            handed_over: Whether it got them before: from then on they are the operator's.

        Raises:
            TargetUnsupported: The target describes the collection otherwise than planned after that.
        """
        self.check()
        crashpoints.reached("settling_properties")
        differences = definitions.settle(self.target, plan, handed_over=handed_over)
        crashpoints.reached("properties_settled")
        if differences:
            raise TargetUnsupported(
                f"{self.target.endpoint} keeps “{plan.name}” otherwise than planned: {'; '.join(differences)}.",
                state="All of its entities are there and proved.",
                next_step="Set this by hand on the target, or look why it does not take it, then resume.",
            )

    def _owner(self, plan: CollectionPlan, state: CollectionState | None) -> Owner:
        """Whose the collection of that name is, when nothing late can meet what is made in its place."""
        owner = self._owner_now(plan, state)
        ours_is_gone = owner is Owner.NOBODY and state is not None and state.target_id is not None
        if not (owner is Owner.REPLACED or ours_is_gone):
            return owner
        self.outlast()  # a late drop, or a late insert, goes by the name
        self.check()
        return self._owner_now(plan, state)

    def _owner_now(self, plan: CollectionPlan, state: CollectionState | None) -> Owner:
        return owner_of(self.target, plan, state, self.ledger, self.lease.migration_id)

    def _replace(self, plan: CollectionPlan) -> None:
        """Drops what the plan says is deleted, unless it changed meanwhile, and makes the planned collection."""
        if plan.replaces is not None:
            # Whoever made it would go on to write by its name, into what is made in its place.
            self.ledger.set_collection(self.lease, plan.name, phase=WAITING)
            self.take_over(plan.name, plan.replaces.id)
        if self._owner_now(plan, None) is not Owner.REPLACED:
            raise self._in_the_way(plan.name)
        self._require_as_counted(plan)
        crashpoints.reached("replacing")
        definitions.drop(self.target, plan.name)
        crashpoints.reached("dropped")
        self._create(plan)

    def _create(self, plan: CollectionPlan) -> None:
        # Ours was dropped by someone, or it never was: receipts of an earlier one are void.
        self.ledger.forget_chunks(self.lease, plan.name)
        anew = {
            "phase": CREATING,
            "target_id": None,
            "report": None,
            "handed_over": False,
            "target_was_loaded": None,
        }
        self.ledger.set_collection(self.lease, plan.name, **anew)
        crashpoints.reached("creating")
        try:
            definitions.create(self.target, plan)
        except MilvusRefused as refused:  # another one may be there by now, with more partitions
            if definitions.describe(self.target, plan.name) is None:
                raise
            raise self._in_the_way(plan.name) from refused
        if in_use(self.target, plan):  # someone made the very same one since we looked
            raise self._in_the_way(plan.name)
        definitions.complete(self.target, plan)
        crashpoints.reached("created")
        self._record(plan)

    def _record(self, plan: CollectionPlan) -> None:
        differences = definitions.differences(self.target, plan)
        if differences:
            definitions.drop(self.target, plan.name)
            raise TargetUnsupported(
                f"{self.target.endpoint} made something else of “{plan.name}”: {'; '.join(differences)}.",
                state="The empty collection was dropped again; no entity was copied into it.",
                next_step="Choose a target that supports this, or leave the collection out.",
            )
        target_id = definitions.collection_id(self.target, plan.name)
        if not self.ledger.record_created(self.lease, plan.name, CREATED, target_id):
            raise self._in_the_way(plan.name)
        crashpoints.reached("creation_recorded")

    def _in_doubt(self, plan: CollectionPlan) -> bool:
        """Whether it may hold entities that no receipt tells of and that cannot be written over, because the target makes the keys.

        One that is complete and differs is not: it may be in use, and is never dropped here.
        """
        if plan.keys is not KeyPolicy.NEW:
            return False
        return self.ledger.chunk_sums(self.lease.migration_id, plan.name).doubtful > 0

    def _require_untouched(self, plan: CollectionPlan) -> None:
        migration_id = self.lease.migration_id
        untouched = Untouched(self.target, plan, self.ledger, migration_id, self.check)
        try:
            obstacles = untouched.obstacles()
        finally:
            untouched.put_back()
        if obstacles:
            raise TargetChanged(
                f"The copy of “{plan.name}” was interrupted and has to start over, but someone else has changed it on "
                f"{self.target.endpoint} since: {'; '.join(obstacles)}.",
                state="It was not touched.",
                next_step="Save what must be kept and drop it there, then resume: it is copied again from its start.",
            )

    def _require_as_counted(self, plan: CollectionPlan) -> None:
        """Whoever approved the plan saw how many entities are deleted; what is not loaded is not counted, as the plan says."""
        if plan.replaces is None or not plan.replaces.exact:
            return
        now = held(self.target, plan.name)
        if now.exact and now.entities != plan.replaces.entities:
            raise TargetNotEmpty(
                f"“{plan.name}” on {self.target.endpoint} holds {now.entities:,} entities now; "
                f"the plan says that {plan.replaces.entities:,} are deleted.",
                state="It was not touched, and nothing was copied into it.",
                next_step="Look who writes to it, then make a new request with Replace (--on-conflict replace): its plan says "
                "what is deleted.",
            )

    def check_source(self, plan: CollectionPlan, *, whole: bool = False) -> None:
        """Raises SourceChanged where the source has no such collection any more, or one of another definition.

        Args:
            plan: As it was planned.
            whole: Whether all of its partitions must be there too.
        """
        described = definitions.describe(self.source, plan.name)
        if described is None:
            raise SourceChanged(
                f"There is no collection “{plan.name}” on {self.source.endpoint} any more: it was dropped or renamed.",
                state="Nothing was copied since.",
                next_step="Give it back its name there and resume, or make a new request without it.",
            )
        if schemas.encode(described.schema) != plan.definition:
            raise SourceChanged(
                f"The definition of “{plan.name}” on {self.source.endpoint} is not the planned one any more.",
                state="Nothing was copied since.",
                next_step="Plan the migration again, so that it is approved as it is now.",
            )

        if not whole or plan.partition_key:
            return
        present = definitions.partition_names(self.source, plan.name)
        gone = [f"“{each.name}”" for each in plan.partitions if each.name not in present]
        if gone:
            raise SourceChanged(
                f"“{plan.name}” on {self.source.endpoint} has no partition {', '.join(gone)} any more: it was dropped.",
                state="Every chunk with a receipt is on the target; of what was dropped, nothing else is.",
                next_step="Put it back there with all that it held and resume, or make a new request: its plan is made of what is "
                "there then.",
            )

    def _in_the_way(self, name: str) -> TargetNotEmpty:
        where = f"{self.target.endpoint} holds a collection “{name}”"
        untouched = "It was not touched, and nothing was copied into it."
        if self.request.on_conflict is OnConflict.REPLACE:
            return TargetNotEmpty(
                f"{where}, which is not what stood there when this migration was planned.",
                state=untouched,
                next_step="Look whose it is. Rename or drop it there and resume, or make a new request with Replace "
                "(--on-conflict replace): its plan then says that this one is deleted.",
            )
        return TargetNotEmpty(
            f"{where} that this migration did not make.",
            state=untouched,
            next_step="Choose another target, leave the collection out, or ask for it to be replaced "
            "(On conflict: Replace, --on-conflict replace).",
        )
