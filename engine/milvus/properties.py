"""Which properties of a collection or a database are carried, which come last, and which stay behind; never talks to a server.

A property that this table does not know is carried as it is: what a newer server keeps in its properties must not be lost because
Ferry is older.

Sources: Milvus `pkg/common/common.go` (the keys), milvus-backup #1079 (a replayed `max_field_id` lost the fields added later).
"""

from collections.abc import Iterator, Mapping
from typing import Final

from engine.model import CollectionPlan, KeyPolicy

TTL: Final = "collection.ttl.seconds"
ALLOW_KEYS: Final = "allow_insert_auto_id"
"""Lets a collection that makes its own keys accept explicit ones (Milvus 2.6.3 and newer)."""

_MANAGED: Final = ("max_field_id", "replicate.endTS", "collection.on.truncating")
"""What servers write for themselves; replayed elsewhere it is wrong."""

_BOUND: Final = {
    "replicate.id": "replication is set up between two clusters",
    "cipher.": "keys of encryption belong to their cluster",
    "collection.resource_groups": "resource groups belong to their cluster",
    "database.resource_groups": "resource groups belong to their cluster",
    "database.force.deny.": "it would keep this migration from writing",
}
"""What means something on its own cluster only, by the beginning of its name, and why it is not carried."""

_EXPIRY: Final = (TTL, "ttl_field")
_NO_LIFETIME: Final = frozenset({"-1", "0", ""})
_BRAKES: Final = (
    "collection.insertRate.",
    "collection.deleteRate.",
    "collection.bulkLoadRate.",
    "collection.queryRate.",
    "collection.searchRate.",
)


def carried(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties that a target gets."""
    return {
        key: value
        for key, value in properties.items()
        if key not in _MANAGED and not _why_bound(key)
    }


def left_behind(properties: Mapping[str, str]) -> Iterator[str]:
    """Says what is not carried and why, one sentence each; what servers manage for themselves is no loss."""
    for key, value in properties.items():
        if reason := _why_bound(key):
            yield f"property {key} ({value}) is not carried: {reason}"


def at_creation(plan: CollectionPlan) -> dict[str, str]:
    """The properties that a collection is made with: all but those that come last, and what the copy needs."""
    return {
        key: value for key, value in carried(plan.properties).items() if not comes_last(key)
    } | for_the_copy(plan)


def at_the_end(plan: CollectionPlan) -> dict[str, str]:
    """The properties that are set once the copy is proved: entities must not expire, nor the copy be slowed, before."""
    return {key: value for key, value in carried(plan.properties).items() if comes_last(key)}


def comes_last(key: str) -> bool:
    """Whether a property waits until the copy is proved."""
    return key in _EXPIRY or key == ALLOW_KEYS or key.startswith(_BRAKES)


def expires(properties: Mapping[str, str]) -> bool:
    """Whether entities of a collection with these properties have a lifetime."""
    return bool(lifetime(properties))


def lifetime(properties: Mapping[str, str]) -> str:
    """What gives entities of a collection with these properties a lifetime, as text; "" where they have none."""
    given = {key: properties.get(key, "-1") for key in _EXPIRY}
    return ", ".join(f"{key} {value}" for key, value in given.items() if value not in _NO_LIFETIME)


def for_the_copy(plan: CollectionPlan) -> dict[str, str]:
    """The properties that stand on the target for as long as the copy needs them."""
    return {ALLOW_KEYS: "true"} if plan.keys is KeyPolicy.ALLOWED else {}


def to_remove(plan: CollectionPlan, found: Mapping[str, str]) -> list[str]:
    """What the copy needed and the source's collection does not have, of what stands on the target."""
    return [key for key in for_the_copy(plan) if key in found and key not in plan.properties]


def pending(plan: CollectionPlan) -> str:
    """What a target's collection has to wait for until it is proved, as a sentence; "" where there is nothing."""
    last, needed = (
        sorted(at_the_end(plan)),
        sorted(for_the_copy(plan).keys() - plan.properties.keys()),
    )
    said = [f"{', '.join(last)} is set"] if last else []
    said += [f"{', '.join(needed)} is removed"] if needed else []
    return f"Once it is proved, {' and '.join(said)} on the target." if said else ""


def differences(
    wanted: Mapping[str, str], found: Mapping[str, str], *, settled: bool
) -> Iterator[str]:
    """What a target's properties say otherwise, one sentence each.

    What it adds on its own is its own, but for those that come last: no server makes entities expire, or slows anybody down, unless
    somebody said so.

    Args:
        wanted: The source's properties.
        found: The target's.
        settled: Whether those that come last must be as on the source too.
    """
    for key, value in carried(wanted).items():
        if (settled or not comes_last(key)) and found.get(key) != value:
            yield f"property {key} is {found.get(key, 'missing')}, not {value}"
    for key, value in found.items() if settled else ():
        if comes_last(key) and key not in wanted and not _says_nothing(key, value):
            yield f"property {key} is {value}, and the source has none"


def late_differences(plan: CollectionPlan, found: Mapping[str, str]) -> Iterator[str]:
    """What a target's properties say otherwise of those that come last, one sentence each."""
    return differences(at_the_end(plan), found, settled=True)


def _says_nothing(key: str, value: str) -> bool:
    return key in _EXPIRY and value in _NO_LIFETIME


def _why_bound(key: str) -> str:
    return next((reason for start, reason in _BOUND.items() if key.startswith(start)), "")
