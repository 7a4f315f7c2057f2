"""A lane whose target makes all keys anew, and a comparison by content: how often each entity stands in each partition.

What the source holds is read once, when the lane is made, by plain queries of pymilvus.
"""

from collections import Counter
from typing import Any

from engine.model import AutoId, KeyPolicy, Plan, Request
from tests.crash.lane import DEFAULT, Lane, Wrong
from tests.engine.bed import Side, rows

AUTOMATIC = "automatic"
PARTS = (DEFAULT, "old")
COUNT = 500
"""Entities of each partition, several chunks; two of them say the same."""


class NewKeysLane(Lane):
    """One source database with one collection that makes its keys, moved to servers that take none."""

    def request(self, database: str, **changes: Any) -> Request:
        """A request for new keys; arguments as for `Lane.request`."""
        asked = super().request(database, **changes)
        return asked.model_copy(update={"auto_id": AutoId.NEW})

    def planned(self, request: Request) -> Plan:
        """Surveys the source; the target's keys are new."""
        plan = super().planned(request)
        assert [each.keys for each in plan.collections] == [KeyPolicy.NEW]
        return plan

    def fill(self) -> None:
        """Fills the source, and remembers what it holds."""
        self.source.create(AUTOMATIC, schema={"auto_id": True}, partitions=PARTS[1:])
        for part in PARTS:
            made = [
                {"vector": row["vector"], "text": row["text"] + part} for row in rows(range(COUNT))
            ]
            made[1] = made[0]
            self.source.insert(AUTOMATIC, made, "" if part == DEFAULT else part)
        self.contents = {part: contents(self.source, part) for part in PARTS}
        assert [found.total() for found in self.contents.values()] == [COUNT] * len(PARTS)

    def compared(self, target: Side) -> Wrong:
        """Compares a target with the source: how often each content stands in each partition."""
        names = target.client.list_collections()
        if names != [AUTOMATIC]:
            return Wrong(0, 0, (f"collections {names}",))
        if not target.loaded(AUTOMATIC):
            return Wrong(0, 0, (f"{AUTOMATIC} is not loaded",))
        lost = doubled = 0
        for part, ours in self.contents.items():
            theirs = contents(target, part)
            lost += (ours - theirs).total()
            doubled += (theirs - ours).total()
        return Wrong(lost, doubled, ())


def contents(side: Side, part: str) -> Counter[str]:
    """How often each content stands in a partition."""
    side.ready()
    found = side.client.query(
        AUTOMATIC,
        output_fields=["vector", "text"],
        partition_names=[part],
        limit=COUNT * 4,
        consistency_level="Strong",
    )
    assert len(found) == side.count(AUTOMATIC, part)
    return Counter(f"{row['vector']} {row['text']}" for row in found)
