"""A lane whose target keeps the source's keys and makes the later ones: Milvus Lite, where what is in doubt is deleted first."""

from engine.model import KeyPolicy, Plan, Request
from tests.crash.lane import DEFAULT, Lane, held_by
from tests.engine.bed import rows

AUTOMATIC = "automatic"
COUNT = 1_000
"""Entities: several chunks."""


class KeptKeysLane(Lane):
    """One collection that makes its keys, moved from one Milvus Lite to another."""

    def database(self) -> str:
        """The only one that there is; a migration leaves it empty."""
        return "default"

    def planned(self, request: Request) -> Plan:
        """Surveys the source; the target keeps its keys."""
        plan = super().planned(request)
        assert [each.keys for each in plan.collections] == [KeyPolicy.ALLOWED]
        return plan

    def fill(self) -> None:
        """Fills the source, and remembers what it holds."""
        self.source.create(AUTOMATIC, schema={"auto_id": True})
        made = [{"vector": row["vector"], "text": row["text"]} for row in rows(range(COUNT))]
        keys = sorted(self.source.client.insert(AUTOMATIC, made)["ids"])
        self.held = {AUTOMATIC: held_by(self.source, AUTOMATIC, {DEFAULT: keys})}
