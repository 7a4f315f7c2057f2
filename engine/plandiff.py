"""How the plan of now differs from the plan that was approved: which definitions, and beside them the counts; pure.

Definitions are everything that a plan says of a collection except what was measured. Entities that come and go on the source
change no definition: a plan is made while it is still written to. Entities that come and go in what is deleted on the target do:
nothing brings them back, so whoever approves has to have seen how many there are. Nothing here decides what becomes of a migration.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from engine.model import CollectionPlan, Plan, Replaced

MADE_ANEW: Final = "it was dropped on the source and made anew"
_MEASURED: Final = frozenset({"entities", "bytes", "loaded", "notes"})
_TOLD_BY_DEFINITION: Final = frozenset({"primary_field", "primary_type", "auto_id"})
"""Read from the definition: `fields` tells them."""
_TOLD_FIRST: Final = frozenset({"replaces", "id"})


class Difference(NamedTuple):
    """What is different.

    Attributes:
        definitions: Changed definitions, one sentence each, what is deleted first; empty when what was approved is what there is.
        counts: Changed numbers of entities, one sentence each.
    """

    definitions: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()


def difference(approved: Plan, now: Plan) -> Difference:
    """Compare the plan that was approved with one that was made now from the same request."""
    before = {each.name: each for each in approved.collections}
    after = {each.name: each for each in now.collections}
    said = [sentence for name in (before | after) for sentence in _of_deletion(name, before, after)]
    said += [f"“{name}” is gone." for name in before if name not in after]
    said += [
        f"“{name}” is new, with {each.entities:,} entities."
        for name, each in after.items()
        if name not in before
    ]
    both = [(before[name], after[name]) for name in before if name in after]
    said += [sentence for pair in both for sentence in _of_collection(*pair)]
    said += _of_sentences("Not carried", approved.losses, now.losses)
    counts = tuple(
        f"“{old.name}”: {old.entities:,} → {new.entities:,} entities."
        for old, new in both
        if old.entities != new.entities
    )
    return Difference(tuple(said), counts)


def changes(old: CollectionPlan, new: CollectionPlan) -> list[str]:
    """What is defined otherwise of a collection, one sentence each, without its name and a full stop."""
    values = (_comparable(old), _comparable(new))
    changed = [name for name in values[0] if values[0][name] != values[1][name]]
    said = [
        sentence
        for name in changed
        if name != "definition"
        for sentence in _of_value(name, values[0][name], values[1][name])
    ]
    return ["its schema has changed"] if "definition" in changed and not said else said


def is_another(old: int, new: int) -> bool:
    """Whether another collection stands on the source, by its id then and now; one of Milvus Lite cannot be told from another."""
    return 0 not in {old, new} and old != new


def _of_deletion(
    name: str, before: Mapping[str, CollectionPlan], after: Mapping[str, CollectionPlan]
) -> Iterator[str]:
    old, new = (_replaced(plans.get(name)) for plans in (before, after))
    if old == new:
        return
    if new is None:
        yield f"“{name}”: nothing is deleted for it on the target any more (before: {old})."
    elif old is None:
        yield f"“{name}”: what stands on the target now would be DELETED: {new}."
    elif old.id != new.id:
        yield f"“{name}”: another collection stands on the target now and would be DELETED: {new} (before: {old})."
    else:
        yield f"“{name}”: what would be DELETED on the target has changed: {old} → {new}."


def _replaced(plan: CollectionPlan | None) -> Replaced | None:
    return plan.replaces if plan else None


def _of_collection(old: CollectionPlan, new: CollectionPlan) -> list[str]:
    made_anew = [MADE_ANEW] if is_another(old.id, new.id) else []
    return [f"“{old.name}”: {sentence}." for sentence in (*made_anew, *changes(old, new))]


def _comparable(plan: CollectionPlan) -> dict[str, Any]:
    values = plan.model_dump(exclude=set(_MEASURED | _TOLD_BY_DEFINITION | _TOLD_FIRST))
    values["partitions"] = tuple(each["name"] for each in values["partitions"])
    if not plan.partition_key:
        del values["num_partitions"]  # they are told by name
    # What stands in the way is told with numbers; only whether something does is a definition.
    values["conflict"] = bool(values["conflict"])
    values["indexes"] = tuple(_index(each) for each in values["indexes"])
    return values


def _index(index: Mapping[str, Any]) -> str:
    params = ", ".join(f"{key}={value}" for key, value in sorted(index["params"].items()))
    return f"{index['name']} on {index['field']} ({params})"


def _of_value(name: str, old: Any, new: Any) -> list[str]:
    if name == "conflict":
        return ["something stands in its way now" if new else "nothing stands in its way any more"]
    label = name.replace("_", " ")
    if isinstance(old, tuple) and isinstance(new, tuple):
        return _of_sentences(label, map(str, old), map(str, new))
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            f"{label}: {key} was {old.get(key, 'not set')}, is {new.get(key, 'not set')}"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]
    return [f"{label} was {old}, is {new}"]


def _of_sentences(label: str, old: Iterable[str], new: Iterable[str]) -> list[str]:
    before, after = list(old), list(new)
    said = [f"{label}: {each.rstrip('.')} is gone" for each in before if each not in after]
    said += [f"{label}: {each.rstrip('.')} is new" for each in after if each not in before]
    return said or ([f"{label} are in another order"] if before != after else [])
