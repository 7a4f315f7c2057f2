"""Ferry's engine: plan, copy and verify a database between two Milvus clusters.

The verbs stand in `engine/verbs.py` and are loaded when the first of them is used: the SDK behind
them takes two seconds and 140 MB to import, which neither `ferry jobs` nor the records in
`engine/model/` need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.verbs import (
        blocked,
        check,
        keys_in_question,
        list_collections,
        list_databases,
        listed,
        plan,
        remigrated,
        remigration,
        repair,
        report,
        run,
        undo,
        verify,
        work,
    )

__all__ = [
    "blocked",
    "check",
    "keys_in_question",
    "list_collections",
    "list_databases",
    "listed",
    "plan",
    "remigrated",
    "remigration",
    "repair",
    "report",
    "run",
    "undo",
    "verify",
    "work",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("engine.verbs"), name)
