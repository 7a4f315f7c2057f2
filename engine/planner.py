"""Surveys both clusters and says what a migration will do and what it will lose.

It writes nothing, on neither side: what stands in the way is found here, before anyone approves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import InputRejected, SourceUnusable
from engine.milvus import capabilities, definitions
from engine.milvus.connection import Cluster
from engine.milvus.survey import require_database, survey
from engine.model import CollectionPlan, Endpoint, OnConflict, Plan, Request

_ALWAYS_LOST = ("Users, roles and grants are not carried.",)


@dataclass(frozen=True)
class Standing:
    """What a target is and what stands on it before the migration.

    Attributes:
        names: The collections of its database; none when the database or the cluster does not exist yet.
        aliases: The collection of each alias.
    """

    endpoint: Endpoint
    version: str
    is_lite: bool
    names: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)


def standing_of(target: Cluster) -> Standing:
    """Looks at a target that exists; its database need not."""
    exists = target.database in definitions.database_names(target)
    names = definitions.collection_names(target) if exists else ()
    aliases = {alias: name for name in names for alias in definitions.aliases(target, name)}
    return Standing(target.endpoint, target.version, target.is_lite, names, aliases)


def make_plan(source: Cluster, target: Standing, request: Request) -> Plan:
    """Plans a migration.

    Args:
        source: The cluster and database to read.
        target: The cluster and database to fill, as they stand.
        request: What was asked for.

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
    require_database(source)
    names = request.collections or definitions.collection_names(source)
    if not names:
        raise SourceUnusable(
            f"{request.source} holds no collection.",
            state="Nothing was changed.",
            next_step="Check the database's name.",
        )
    surveyed = (survey(source, name) for name in names)
    return Plan(
        request=request,
        source_version=source.version,
        target_version=target.version,
        collections=tuple(_against(target, each, request.on_conflict) for each in surveyed),
        losses=(*_ALWAYS_LOST, *((capabilities.LITE_UNREPORTED,) if target.is_lite else ())),
    )


def _against(
    target: Standing, collection: CollectionPlan, on_conflict: OnConflict
) -> CollectionPlan:
    losses = _losses(collection)
    obstacles = [collection.conflict] if collection.conflict else []
    schema = definitions.schema_of(collection)
    obstacles += [
        f"“{collection.name}” cannot be held by the target: {sentence}. Choose a newer target, or "
        "leave the collection out."
        for sentence in capabilities.unsupported(target.version, schema, lite=target.is_lite)
    ]
    if collection.name in target.names:
        if on_conflict is OnConflict.REPLACE:
            losses.append("the target's collection of that name is dropped first")
        else:
            obstacles.append(f"{target.endpoint} already holds a collection “{collection.name}”.")
    obstacles += _alias_obstacles(collection, target)
    return collection.model_copy(
        update={"conflict": " ".join(obstacles) or None, "losses": tuple(losses)}
    )


def _alias_obstacles(collection: CollectionPlan, standing: Standing) -> list[str]:
    where = standing.endpoint
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
