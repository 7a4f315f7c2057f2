"""A lane for random walks: a source of small collections of every kind, of which each migration takes some.

What the source holds is read once, when the lane is made, by plain queries of pymilvus.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pymilvus import DataType

from engine.model import AutoId, Request
from tests.crash.lane import DEFAULT, NUMBERS, RESTING, TEXTS, Held, Lane, Wrong, differences
from tests.crash.new_keys import AUTOMATIC, contents
from tests.engine.bed import Key, Row, Side, rows

TWINS = "twins"
SHELVES = "shelves"
NAMES = (NUMBERS, TEXTS, RESTING, TWINS, AUTOMATIC, SHELVES)
OTHERS = "others"
"""A stranger's collection on the target, with an alias."""
OTHERS_COUNT = 7
TWIN_KEYS = range(60)
"""Of the collection in which every fourth key is shared by two entities that say the same."""
AUTOMATIC_COUNT = 40
"""Entities of each partition; two of them say the same."""
TTL = {"collection.ttl.seconds": "86400"}
ALIASES = {TEXTS: ("words",), NUMBERS: ("digits", "numerals")}


class WalkLane(Lane):
    """One source database with five collections; `new_keys` says whether targets make the keys of one of them anew."""

    new_keys = False

    def request(self, database: str, **changes: Any) -> Request:
        """A request; arguments as for `Lane.request`, and the `collections` that are migrated."""
        names: Sequence[str] = changes.pop("collections", ())
        policy = AutoId.NEW if self.new_keys else AutoId.KEEP
        asked = super().request(database, **changes)
        return asked.model_copy(update={"auto_id": policy, "collections": tuple(sorted(names))})

    def fill(self) -> None:
        """Fills the source, and remembers what it holds."""
        source = self.source
        source.create(NUMBERS)
        source.create(TEXTS, key="VARCHAR", partitions=("a", "b"))
        source.create(RESTING, properties=TTL)
        source.create(TWINS)
        shelf = ("shelf", DataType.INT64, {"is_partition_key": True})
        source.create(SHELVES, fields=[shelf], num_partitions=3)
        source.create(AUTOMATIC, schema={"auto_id": True}, partitions=("old",))
        shares: dict[str, dict[str, list[Key]]] = {
            NUMBERS: {DEFAULT: list(range(-40, 40))},
            TEXTS: {part: [f"{part} '{n}\"" for n in range(25)] for part in (DEFAULT, "a", "b")},
            RESTING: {DEFAULT: [7 * n for n in range(60)]},
            TWINS: {DEFAULT: list(TWIN_KEYS)},
        }
        for name, partitions in shares.items():
            for partition, keys in partitions.items():
                source.insert(name, rows(keys), partition)
        shares[AUTOMATIC] = {part: self._automatic(part) for part in (DEFAULT, "old")}
        shares[SHELVES] = {"": list(range(60))}
        source.insert(SHELVES, ({**row, "shelf": row["id"] % 7} for row in rows(range(60))))
        for name, aliases in ALIASES.items():
            for alias in aliases:
                source.client.create_alias(name, alias)
        self.shares = shares
        self.held = {name: _held(source, name, shares[name]) for name in NAMES}
        self.contents = {part: contents(source, part) for part in (DEFAULT, "old")}
        twice = [row for row in rows(TWIN_KEYS) if row["id"] % 4 == 0]
        source.insert(TWINS, twice)
        assert source.count(TWINS) == len(TWIN_KEYS) + len(twice)
        source.client.flush(RESTING)
        source.client.release_collection(RESTING)

    def _automatic(self, part: str) -> list[Key]:
        made = [
            {"vector": row["vector"], "text": row["text"] + part}
            for row in rows(range(AUTOMATIC_COUNT))
        ]
        made[1] = made[0]
        answer = self.source.client.insert(AUTOMATIC, made, partition_name=part)
        return sorted(answer["ids"])

    def compared_of(self, target: Side, names: Sequence[str]) -> Wrong:
        """Compares these collections of a target with the source, entity by entity."""
        found, there = [], target.client.list_collections()
        for name in names:
            if name not in there:
                found.append(Wrong(len(self.held[name].keys), 0, (f"{name} is not there",)))
            elif name == AUTOMATIC and self.new_keys:
                found.append(self._contents_of(target))
            else:
                found.append(differences(target, name, self.held[name]))
        other = [word for each in found for word in each.other]
        return Wrong(
            sum(each.lost for each in found), sum(each.doubled for each in found), tuple(other)
        )

    def _contents_of(self, target: Side) -> Wrong:
        if not target.loaded(AUTOMATIC):
            return Wrong(0, 0, (f"{AUTOMATIC} is not loaded",))
        lost = doubled = 0
        for part, ours in self.contents.items():
            theirs: Counter[str] = contents(target, part)
            lost += (ours - theirs).total()
            doubled += (theirs - ours).total()
        return Wrong(lost, doubled, ())


class NewKeysWalkLane(WalkLane):
    """The same, to targets that make the keys of one collection anew."""

    new_keys = True


def _held(source: Side, name: str, shares: dict[str, list[Key]]) -> Held:
    keys = tuple(key for share in shares.values() for key in share)
    columns: list[Row] = list(source.columns(name, keys)) if source.count(name) else []
    counts = {partition: len(share) for partition, share in shares.items()}
    assert counts == {partition: source.count(name, partition) for partition in shares}
    return Held(keys, counts, columns, tuple(sorted(ALIASES.get(name, ()))))
