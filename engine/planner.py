"""Surveys both clusters and says what a migration will do and what it will lose.

It writes nothing, on neither side: what stands in the way is found here, before anyone approves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.errors import InputRejected, SourceUnusable
from engine.milvus import capabilities, definitions
from engine.milvus.connection import Cluster, places
from engine.milvus.survey import require_database, survey
from engine.model import CollectionPlan, Endpoint, Plan, Request

_ALWAYS_LOST = ("Users, roles and grants are not carried.",)


@dataclass(frozen=True)
class Standing:
    """What a target is and what stands on it before the migration.

    Attributes:
        ids: The collections of its database with the server's own ids (0 on Milvus Lite); none when the
            database or the cluster does not exist yet.
        aliases: The collection of each alias.
    """

    endpoint: Endpoint
    version: str
    is_lite: bool
    ids: Mapping[str, int] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


def standing_of(target: Cluster) -> Standing:
    """Looks at a target that exists; its database need not."""
    exists = target.database in definitions.database_names(target)
    names = definitions.collection_names(target) if exists else ()
    aliases = {alias: name for name in names for alias in definitions.aliases(target, name)}
    ids = {name: definitions.collection_id(target, name) for name in names}
    return Standing(target.endpoint, target.version, target.is_lite, ids, aliases)


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
    require_database(source)
    names = request.collections or definitions.collection_names(source)
    if _same_place(source, target, names):
        raise InputRejected(
            "Source and target are the same database.",
            state="Nothing was changed.",
            next_step="Choose another target cluster or another target database.",
        )
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
        collections=tuple(_against(target, each, request) for each in surveyed),
        losses=(*_ALWAYS_LOST, *((capabilities.LITE_UNREPORTED,) if target.is_lite else ())),
    )


def _against(target: Standing, collection: CollectionPlan, request: Request) -> CollectionPlan:
    losses = _losses(collection)
    obstacles = [collection.conflict] if collection.conflict else []
    schema = definitions.schema_of(collection)
    obstacles += [
        f"“{collection.name}” cannot be held by the target: {sentence}. Choose a newer target, or "
        "leave the collection out."
        for sentence in capabilities.unsupported(target.version, schema, lite=target.is_lite)
    ]
    if collection.name in target.ids:
        if request.may_replace(collection.name, target.ids[collection.name]):
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
        elif alias != collection.name and alias in standing.ids:
            said.append(f"On {where} “{alias}” is a collection, so it cannot become an alias.")
    return said


def _losses(collection: CollectionPlan) -> list[str]:
    said = []
    if collection.auto_id:
        said.append("auto-id is off on the target, so that the primary keys are kept")
    if "collection.ttl.seconds" in collection.properties:
        said.append("lifetimes (TTL) start again on the target")
    return said


def _same_place(source: Cluster, target: Standing, names: Iterable[str]) -> bool:
    """Whether both sides are one database: by its address, or by a collection that both hold under one id."""
    if source.database != target.endpoint.database:
        return False
    if places(source.endpoint) & places(target.endpoint):
        return True
    ids = {definitions.collection_id(source, name) for name in names if name in target.ids}
    return not ids.isdisjoint(set(target.ids.values()) - {0})
