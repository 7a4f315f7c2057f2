"""Sends pages of the source to the planned collection on the target, in the way in which that collection takes them.

Whether a page may have been written before is the caller's to know. Nothing is read here.
"""

from typing import Final

from engine import crashpoints
from engine.errors import MustStartOver
from engine.milvus import schemas, writing
from engine.milvus.connection import Cluster
from engine.milvus.pages import Page
from engine.model import CollectionPlan, KeyPolicy

KEYS_PER_DELETE: Final = 1_000


def send(
    target: Cluster, plan: CollectionPlan, partition: str, page: Page, *, in_doubt: bool
) -> None:
    """Writes one page.

    A page in doubt is upserted. A collection that makes keys of its own would give an upserted entity a new key, whatever it allows
    in an insert (Milvus #46891, #40816): there its keys are deleted first, then it is inserted, and a crash in between leaves it in
    doubt.

    Args:
        target: The target.
        plan: The planned collection.
        partition: The partition's name; "" lets the server choose by the partition key.
        page: Its entities as the source answered them.
        in_doubt: Whether the target may hold some of them already.

    Raises:
        MustStartOver: The page is in doubt, and the target makes the keys of all entities anew: it would stand there twice.
        ServiceUnavailable: Whether the page was written is unknown.
        MilvusRefused, MessageTooLarge: The server refused the page; whether nothing of it was written is `certain` or not.
    """
    if in_doubt and plan.keys is KeyPolicy.NEW:
        raise must_start_over(target, plan)
    replaces = in_doubt and plan.keys is KeyPolicy.ALLOWED
    if replaces:
        for start in range(0, len(page.keys), KEYS_PER_DELETE):
            keys = page.keys[start : start + KEYS_PER_DELETE]
            writing.delete(target, plan.name, partition, plan.primary_field, keys)
        crashpoints.reached("keys_deleted")
    writing.write(
        target,
        plan.name,
        partition,
        [column for column in page.columns if column.name != plan.uncompared_field],
        len(page.keys),
        upsert=in_doubt and not replaces,
        marked=schemas.marked_fields(schemas.schema_of(plan)),
    )


def must_start_over(target: Cluster, plan: CollectionPlan, why: str = "") -> MustStartOver:
    """What is in doubt in a collection whose keys the target makes cannot be settled.

    Args:
        target: The target.
        plan: The planned collection.
        why: What the target said, if that is where the doubt comes from.
    """
    return MustStartOver(
        f"{target.endpoint.name} was interrupted while “{plan.name}” was written, and gives every entity a new key: "
        f"what may stand there already cannot be told apart.{why and f' It said: {why}'}",
        state="The collection on the target is not complete.",
        next_step="Resume the migration: this collection is dropped there and copied again from its start.",
    )
