"""The states of a migration and the events between them: one table and one pure function.

It never reads a clock, a ledger or a server: what it needs to know comes in as arguments.
"""

from enum import StrEnum


class Status(StrEnum):
    """Where a migration stands."""

    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    MISMATCHED = "mismatched"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
