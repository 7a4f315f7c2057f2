"""Surveys both clusters and says what a migration will do and what it will lose.

It writes nothing, on neither side: what stands in the way is found here, before anyone approves.
"""

from collections.abc import Mapping

from engine.errors import InputRejected, SourceUnusable
from engine.milvus import capabilities, definitions
from engine.milvus.connection import Cluster
from engine.milvus.survey import survey
from engine.model import CollectionPlan, OnConflict, Plan, Request

_ALWAYS_LOST = ("Users, roles and grants are not carried.",)


def make_plan(
    source: Cluster, target: Cluster, request: Request, *, owned: Mapping[str, int] | None = None
) -> Plan:
    """Plans a migration.

    Args:
        source: The cluster and database to read.
        target: The cluster and database to fill; the database may not exist yet.
        request: What was asked for.
        owned: Collections that this very migration made on the target, with the target's own ids:
            they are no conflict.

    Raises:
        InputRejected: Source and target are the same, or nothing is there to migrate.
        SourceUnusable: A chosen collection does not exist.
    """
    if _same_place(request):
        raise InputRejected(
            "Source and target are the same database.",
            state="Nothing was changed.",
            next_step="Choose another target cluster or another target database.",
        )
    names = request.collections or definitions.collection_names(source)
    if not names:
        raise SourceUnusable(
            f"{request.source} holds no collection.",
            state="Nothing was changed.",
            next_step="Check the database's name.",
        )
    surveyed = [survey(source, name) for name in names]
    standing = _Standing(target)
    collections = tuple(
        _against_target(collection, standing, request.on_conflict, owned or {})
        for collection in surveyed
    )
    losses = list(_ALWAYS_LOST)
    if target.is_lite:
        losses.append(capabilities.LITE_UNREPORTED)
    return Plan(
        request=request,
        source_version=source.version,
        target_version=target.version,
        collections=collections,
        losses=tuple(losses),
    )


class _Standing:
    """What stands on the target now; empty when its database does not exist yet."""

    def __init__(self, target: Cluster) -> None:
        self.target = target
        self.exists = target.database in definitions.database_names(target)
        self.names = definitions.collection_names(target) if self.exists else ()
        self.aliases = {
            alias: name for name in self.names for alias in definitions.aliases(target, name)
        }


def _against_target(
    collection: CollectionPlan,
    standing: _Standing,
    on_conflict: OnConflict,
    owned: Mapping[str, int],
) -> CollectionPlan:
    losses = list(_losses(collection))
    obstacles = [collection.conflict] if collection.conflict else []
    schema = definitions.schema_of(collection)
    target = standing.target
    obstacles += [
        f"“{collection.name}” cannot be held by the target: {sentence}. Choose a newer target, or "
        "leave the collection out."
        for sentence in capabilities.unsupported(target.version, schema, lite=target.is_lite)
    ]
    if collection.name in standing.names and not _is_owned(collection.name, standing, owned):
        if on_conflict is OnConflict.REPLACE:
            losses.append("the target's collection of that name is dropped first")
        else:
            obstacles.append(f"{target.endpoint} already holds a collection “{collection.name}”.")
    obstacles += _alias_obstacles(collection, standing)
    return collection.model_copy(
        update={"conflict": " ".join(obstacles) or None, "losses": tuple(losses)}
    )


def _is_owned(name: str, standing: _Standing, owned: Mapping[str, int]) -> bool:
    return name in owned and owned[name] == definitions.collection_id(standing.target, name)


def _alias_obstacles(collection: CollectionPlan, standing: _Standing) -> list[str]:
    where = standing.target.endpoint
    said = []
    for alias in (collection.name, *collection.aliases):
        if alias in standing.aliases and standing.aliases[alias] != collection.name:
            said.append(
                f"On {where} the alias “{alias}” already points to “{standing.aliases[alias]}”. "
                "Move or drop it there, or leave the collection out."
            )
        elif alias != collection.name and alias in standing.names:
            said.append(f"On {where} “{alias}” is a collection, so it cannot become an alias.")
    return said


def _losses(collection: CollectionPlan) -> list[str]:
    said = []
    if collection.auto_id:
        said.append("auto-id is off on the target, so that the primary keys are kept")
    if "collection.ttl.seconds" in collection.properties:
        said.append("lifetimes (TTL) start again on the target")
    return said


def _same_place(request: Request) -> bool:
    source, target = request.source, request.target
    return source.uri.rstrip("/") == target.uri.rstrip("/") and source.database == target.database
