"""Says what of a source is not as it was planned any more: its definition, or the whole collection; nothing is written here.

What was copied is what was planned. A partition, index, alias or property that came to the source since is not on the target though
every entity is, and a collection that was dropped and made anew may hold anything under the keys and counts of the earlier one.
"""

from engine.milvus import properties
from engine.milvus.connection import Cluster
from engine.milvus.survey import defined_now, require_collection
from engine.model import CollectionPlan
from engine.plandiff import changes, is_another


def made_anew(source: Cluster, plan: CollectionPlan) -> str:
    """That another collection stands on the source by now, a sentence; "" where it is the planned one, or nobody can tell.

    Raises:
        SourceUnusable: There is none of that name any more.
    """
    now = int(require_collection(source, plan.name).collectionID)
    if not is_another(plan.id, now):
        return ""
    return f"The source was written to meanwhile: “{plan.name}” was dropped there and made anew."


def redefined(source: Cluster, plan: CollectionPlan, *, handed_over: bool) -> tuple[str, ...]:
    """What of the source's collection is defined otherwise than planned by now, one sentence each.

    Args:
        source: The source.
        plan: As it was planned.
        handed_over: Whether the copy was handed over: then aliases and lifetimes are each side's operator's.

    Raises:
        SourceUnusable: There is no such collection any more.
    """
    now = defined_now(source, plan)
    before, after = (_carried(each, handed_over=handed_over) for each in (plan, now))
    return tuple(
        f"The source was redefined since it was planned: {change}. Take that back there, or migrate it again."
        for change in changes(before, after)
    )


def _carried(plan: CollectionPlan, *, handed_over: bool) -> CollectionPlan:
    """The plan with those properties and aliases that a target has to have."""
    kept = {
        key: value
        for key, value in properties.carried(plan.properties).items()
        if not (handed_over and properties.comes_last(key))
    }
    return plan.model_copy(
        update={"properties": kept, "aliases": () if handed_over else plan.aliases}
    )
