"""What the engine's parts hand to each other: frozen records, no behaviour beyond what they can say of themselves.

They are pydantic models, so that the ledger stores them as JSON and reads back the same values.
Nothing here talks to a server, to the ledger or to Slack.
"""

from engine.model.base import PrimaryKey, Record
from engine.model.chunk import Chunk, ChunkRange, Receipt, SetAside
from engine.model.plan import (
    PLAN_VERSION,
    AutoId,
    CollectionPlan,
    Endpoint,
    IndexDefinition,
    KeyPolicy,
    OnConflict,
    PartitionPlan,
    Plan,
    Replaced,
    Request,
    Secrets,
)
from engine.model.report import (
    EXAMPLES_MAX,
    CollectionReport,
    ErrorText,
    Found,
    Mismatch,
    MismatchKind,
    Outcome,
    Reason,
    Report,
    SearchComparison,
    Undone,
)
from engine.model.state import (
    CollectionProgress,
    CollectionState,
    Details,
    Event,
    LateCalls,
    Lease,
    Migration,
    Orders,
    Progress,
    Throttle,
)

__all__ = [
    "EXAMPLES_MAX",
    "PLAN_VERSION",
    "AutoId",
    "Chunk",
    "ChunkRange",
    "CollectionPlan",
    "CollectionProgress",
    "CollectionReport",
    "CollectionState",
    "Details",
    "Endpoint",
    "ErrorText",
    "Event",
    "Found",
    "IndexDefinition",
    "KeyPolicy",
    "LateCalls",
    "Lease",
    "Migration",
    "Mismatch",
    "MismatchKind",
    "OnConflict",
    "Orders",
    "Outcome",
    "PartitionPlan",
    "Plan",
    "PrimaryKey",
    "Progress",
    "Reason",
    "Receipt",
    "Record",
    "Replaced",
    "Report",
    "Request",
    "SearchComparison",
    "Secrets",
    "SetAside",
    "Throttle",
    "Undone",
]
