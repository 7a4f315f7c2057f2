"""Whose a collection on the target is: the one place that decides it, and the one mechanism that drops what a migration made.

Told by the id that the server gave to the collection, which the ledger keeps from its creation. Nothing here reads an entity, and
nothing that is not this migration's own is ever dropped.
"""

from enum import StrEnum

from engine import crashpoints
from engine.ledger import Ledger
from engine.milvus import definitions, loading, schemas
from engine.milvus.connection import Cluster
from engine.milvus.survey import reader_of, statistics
from engine.model import CollectionPlan, CollectionState
from engine.model.state import CREATING, REPLACING, WAITING


class Owner(StrEnum):
    """Whose the collection of a planned name is."""

    NOBODY = "nobody"
    """There is none of that name."""
    OURS = "ours"
    """It has the id that was recorded, and the planned schema."""
    BEGUN = "begun"
    """A crash fell between its creation and its record, and it is as empty as ours must be."""
    CHANGED = "changed"
    """It has the id that was recorded, and someone changed its schema."""
    REPLACED = "replaced"
    """This migration did not make it; it stood there when it was planned, and the plan says that it is deleted."""
    OTHERS = "others"
    """This migration did not make it."""


class Fate(StrEnum):
    """What became of a collection that was to be dropped."""

    DROPPED = "dropped"
    GONE = "gone"
    """It was not there any more."""
    LEFT = "left"
    """Another one of that name stands there, which this migration did not make; it was not touched."""


def owner_of(
    target: Cluster,
    plan: CollectionPlan,
    state: CollectionState | None,
    ledger: Ledger,
    migration_id: str,
) -> Owner:
    """Says whose the target's collection of that name is, for that migration.

    Milvus Lite gives every collection the id 0: there the schema is all that tells them apart, and what is to be replaced is
    whatever stands there before this migration makes its own.
    """
    described = definitions.describe(target, plan.name)
    if described is None:
        return Owner.NOBODY
    changed = schemas.differences(plan, described.schema, lite=target.is_lite)
    if state is not None and state.target_id is not None:
        if state.target_id != int(described.collectionID):
            return Owner.OTHERS
        if not changed:
            return Owner.OURS
        return Owner.OTHERS if target.is_lite else Owner.CHANGED
    if state is not None and state.phase == CREATING:
        anothers = ledger.may_be_anothers(migration_id, plan.name, int(described.collectionID))
        return Owner.OTHERS if changed or anothers or in_use(target, plan) else Owner.BEGUN
    first = state is None or state.phase in {WAITING, REPLACING}
    planned = plan.replaces is not None and plan.replaces.id == int(described.collectionID)
    return Owner.REPLACED if first and planned else Owner.OTHERS


def drop_created(
    target: Cluster,
    plan: CollectionPlan,
    state: CollectionState | None,
    ledger: Ledger,
    migration_id: str,
) -> Fate:
    """Drops the collection that this migration made, with its aliases, partitions and indexes; harmless to repeat.

    Whether someone else wrote to it is not asked here (`undoing.py` and `preparer.py` do).

    Args:
        target: Where it stands; its `permit` is asked before each call.
        plan: The planned collection.
        state: What the ledger knows of it; None when this migration never came to it.
        ledger: Knows what other migrations made.
        migration_id: This migration's.

    Raises:
        FerryError: The server failed or refused; what is not dropped stands.
    """
    match owner_of(target, plan, state, ledger, migration_id):
        case Owner.NOBODY:
            return Fate.GONE
        case Owner.OTHERS | Owner.REPLACED:
            return Fate.LEFT
    crashpoints.reached("dropping_created")
    definitions.drop(target, plan.name)
    crashpoints.reached("created_dropped")
    return Fate.DROPPED


def in_use(target: Cluster, plan: CollectionPlan) -> bool:
    """Whether it holds entities or was loaded: what was only just made does and was not."""
    if target.is_lite:
        return reader_of(target, plan).count("") > 0
    if not loading.is_released(target, plan.name):
        return True
    return statistics(target, plan.name) > 0
