"""Explains why the source counts other than it answered: keys that entities share, entities that expired, or writes.

Which of the entities of one key is the newest, and which one a query answers, no server tells. So shared keys explain a gap as far
as they were shared when the source was copied, and no further. Nothing is written here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.milvus import duplicates, properties
from engine.milvus.pages import CollectionReader
from engine.milvus.survey import last_key_hidden
from engine.model import CollectionPlan, PrimaryKey

_UPSERT = (
    "Upsert there what was inserted, then verify again and repair; or re-migrate. A query does not always answer the newest entity "
    "of a key."
)


@dataclass(frozen=True)
class Gap:
    """What the source counts, and why it answered another number: a note explains, a fault does not.

    Attributes:
        surplus: Entities that no query answers, because they share the key of another one.
        checked: Entities that were read again after the copy, to find other writes.
        ranges: The ordinals of their ranges, where not all were read.
        expired: Entities that were read and are gone since, where entities expire.
        hidden: Whether more of them share a key than at the copy: what was written may be what no query answers.
        since: What was written to the source since the copy, where both sides were read whole after that and are the same.
    """

    source_entities: int
    surplus: int = 0
    checked: int = 0
    ranges: tuple[int, ...] = ()
    expired: int = 0
    note: str = ""
    fault: str = ""
    hidden: bool = False
    since: str = ""

    @property
    def answered(self) -> int:
        """Entities that the source answered; where it did not hold still nobody knows."""
        return self.source_entities - self.surplus + self.expired


def explain_gap(
    source: CollectionReader, plan: CollectionPlan, answered: int, sharing: range | None = None
) -> Gap:
    """Explains why the source counts other than it answered, by the keys that entities share.

    Args:
        source: The source's collection as it is now.
        plan: As it was planned.
        answered: Entities that it answered.
        sharing: How many of them may share the key of another one; None allows any number.
    """
    counted = source.count("")
    if counted == answered and (sharing is None or 0 in sharing):
        return Gap(counted)
    keys, surplus = _shared(source, plan)
    if sharing is not None and surplus not in sharing:
        return written(plan.name, counted, surplus, sharing)
    if surplus == counted - answered:
        return Gap(
            counted,
            surplus,
            note=f"On the source {keys} keys are shared by {keys + surplus} entities; a query "
            f"answers one of each key, and that one was copied ({surplus} were not).",
        )
    if plan.primary_type == "INT64" and (hidden := source.hidden()):
        # Shared or not: nobody knows what such an entity says.
        return Gap(counted, surplus + hidden, fault=last_key_hidden(plan.name, "its server"))
    gone = answered - (counted - surplus)
    lifetime = properties.lifetime(plan.properties)
    if gone > 0 and lifetime:
        return Gap(
            counted,
            surplus,
            expired=gone,
            note=f"{gone:,} entities that were read are gone from the source since, where they expire ({lifetime}): the "
            "copy holds them. Whether someone deleted some of them cannot be told from that.",
        )
    return Gap(
        counted,
        surplus,
        fault=f"The source was written to meanwhile: it holds {counted} entities now, "
        f"and {answered} were read.",
    )


def surplus_of(source: CollectionReader, plan: CollectionPlan) -> int:
    """How many entities of a collection share the key of another one."""
    return sum(duplicates.surplus(*page) for page in _keys(source, plan))


def _shared(source: CollectionReader, plan: CollectionPlan) -> tuple[int, int]:
    """How many keys several entities share, and how many entities share the key of another one."""
    keys = surplus = 0
    for page in _keys(source, plan):
        for _, entities in duplicates.repeated_keys(*page):
            keys, surplus = keys + 1, surplus + entities - 1
    return keys, surplus


def _keys(
    source: CollectionReader, plan: CollectionPlan
) -> Iterator[tuple[CollectionReader, str, Sequence[PrimaryKey]]]:
    if source.cluster.is_lite:
        return  # it keeps one entity of each key, and counts keys wrongly where a partition is named
    for partition in plan.partitions:
        for page in source.keys(partition.name):
            yield source, partition.name, page


def written(name: str, counted: int, surplus: int, sharing: range) -> Gap:
    """The gap of a collection in which more or fewer entities share a key than at the copy.

    Args:
        name: Of the collection.
        counted: Entities of the source.
        surplus: Those of them that share the key of another one.
        sharing: How many may do so; the last is how many did.
    """
    hidden = surplus > sharing[-1]
    fault = (
        f"The source was written to meanwhile: of “{name}” {surplus:,} entities share another’s key now, "
        f"{sharing[-1]:,} at the copy."
    )
    return Gap(counted, surplus, fault=f"{fault} {_UPSERT}" if hidden else fault, hidden=hidden)
