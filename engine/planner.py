"""Surveys both clusters and says what a migration will do and what it will lose.

It writes nothing, on neither side: what stands in the way is found here, before anyone approves.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from engine.errors import InputRejected
from engine.milvus import capabilities, definitions, properties, schemas
from engine.milvus.capabilities import Target
from engine.milvus.connection import Cluster, places
from engine.milvus.pages import read_point
from engine.milvus.survey import (
    Held,
    held,
    last_key_hidden,
    require_database,
    require_some,
    survey,
)
from engine.model import AutoId, CollectionPlan, Endpoint, KeyPolicy, Plan, Replaced, Request
from engine.patience import Say, placed, unheard

_ALWAYS_LOST = ("Users, roles, privileges and resource groups are not carried.",)
_SHARED_KEYS = (
    "Of entities that share a primary key only the one that a query answers is carried; the report "
    "counts the others."
)
"""Told of servers: Milvus Lite keeps one entity of a key (experiment with milvus-lite 3.2)."""


def _nothing(name: str) -> Held:
    raise KeyError(name)


@dataclass(frozen=True)
class Standing:
    """What a target is and what stands on it before the migration.

    Attributes:
        ids: The collections of its database with the server's own ids (0 on Milvus Lite); none when the
            database or the cluster does not exist yet.
        aliases: The collection of each alias.
        held: Counts the entities of one of these collections; asked only for what would be deleted.
        database_properties: Of its database; None when that does not exist yet.
    """

    endpoint: Endpoint
    version: str
    is_lite: bool
    ids: Mapping[str, int] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    held: Callable[[str], Held] = _nothing
    database_properties: Mapping[str, str] | None = None

    @property
    def kind(self) -> Target:
        """What its version can hold is asked of this."""
        return Target(self.version, self.is_lite)

    def replaced(self, name: str) -> Replaced:
        """The collection of that name as something that is deleted."""
        found = self.held(name)
        return Replaced(id=self.ids[name], entities=found.entities, exact=found.exact)


def standing_of(target: Cluster) -> Standing:
    """Looks at a target that exists; its database need not."""
    exists = target.database in definitions.database_names(target)
    names = definitions.collection_names(target) if exists else ()
    aliases = {alias: name for name in names for alias in definitions.aliases(target, name)}
    ids = {name: definitions.collection_id(target, name) for name in names}
    props = definitions.database_properties(target) if exists else None
    return Standing(
        target.endpoint,
        target.version,
        target.is_lite,
        ids,
        aliases,
        partial(held, target),
        props,
    )


def make_plan(source: Cluster, target: Standing, request: Request, told: Say = unheard) -> Plan:
    """Plans a migration.

    Args:
        source: The cluster and database to read.
        target: The cluster and database to fill, as they stand.
        request: What was asked for.
        told: Takes what is being done, a sentence for people, each time that changes.

    Raises:
        InputRejected: Source and target are the same, or nothing is there to migrate.
        SourceUnusable: A chosen collection does not exist.
    """
    require_database(source)
    names = request.collections or definitions.collection_names(source)
    require_two(source, target, names)
    require_some(source, names)
    now = read_point(source)  # of all collections: a server takes 0.3 s to reach one

    def surveyed(name: str, place: str) -> CollectionPlan:
        told(f"“{name}” is being looked at, {place}.")
        return survey(source, name, now)

    of_database = definitions.database_properties(source)
    return Plan(
        request=request,
        source_version=source.version,
        target_version=target.version,
        database_properties=properties.carried(of_database),
        collections=tuple(
            against(target, surveyed(name, place), request) for name, place in placed(names)
        ),
        losses=(
            *_ALWAYS_LOST,
            *(() if source.is_lite else (_SHARED_KEYS,)),
            *_database_losses(of_database, target),
            *((capabilities.LITE_UNREPORTED,) if target.is_lite else ()),
        ),
    )


def keys_in_question(source: Cluster, target: Target, request: Request) -> tuple[str, ...]:
    """The collections whose keys the source makes and the target cannot both keep and go on making: `auto_id` decides there.

    Args:
        source: The cluster and database to read.
        target: What the target is.
        request: Which collections; all of the source where it names none.

    Raises:
        InputRejected: The source has no such database.
    """
    require_database(source)
    names = request.collections or definitions.collection_names(source)
    described = ((name, definitions.describe(source, name)) for name in names)
    return tuple(
        name
        for name, found in described
        if found is not None
        and schemas.makes_keys(found.schema)
        and not capabilities.takes_explicit_keys(target, found.schema)
    )


def against(target: Standing, surveyed: CollectionPlan, request: Request) -> CollectionPlan:
    """What the target, as it stands, means for a collection of the source: what is lost, deleted or in the way."""
    schema = schemas.schema_of(surveyed)
    keys = _key_policy(surveyed, schema, target.kind, request.auto_id)
    collection = surveyed.model_copy(update={"keys": keys})
    obstacles = [collection.conflict] if collection.conflict else []
    obstacles += [
        f"“{collection.name}” cannot be held by the target: {sentence}. Choose a newer target, or "
        "leave the collection out."
        for sentence in (
            *capabilities.misnamed(target.kind, collection, schema),
            *capabilities.unsupported(target.kind, schema, collection.indexes),
        )
    ]
    obstacles += [
        f"“{collection.name}” cannot be copied: {sentence}. Leave the collection out."
        for sentence in capabilities.not_portable(schema)
    ]
    if collection.last_key and not target.is_lite:
        obstacles.append(last_key_hidden(collection.name, "the target"))
    replaces = None
    if collection.name in target.ids:
        if request.may_replace(collection.name, target.ids[collection.name]):
            replaces = target.replaced(collection.name)
        else:
            obstacles.append(f"{target.endpoint} already holds a collection “{collection.name}”.")
    obstacles += _null_obstacles(collection, schema, target.kind)
    obstacles += _alias_obstacles(collection, target)
    return collection.model_copy(
        update={
            "replaces": replaces,
            "conflict": " ".join(obstacles) or None,
            "losses": tuple(_losses(collection, schema, target.kind)),
            "notes": (*collection.notes, *_notes(collection)),
        }
    )


def _key_policy(
    collection: CollectionPlan, schema: Any, target: Target, wanted: AutoId
) -> KeyPolicy:
    """Keys that the source made are kept wherever they can be, unless the requester wants new ones."""
    if not collection.auto_id:
        return KeyPolicy.OWN
    if capabilities.takes_explicit_keys(target, schema):
        return KeyPolicy.ALLOWED
    return KeyPolicy.NEW if wanted is AutoId.NEW else KeyPolicy.PLAIN


def _null_obstacles(collection: CollectionPlan, schema: Any, target: Target) -> Iterator[str]:
    for name in capabilities.default_for_null(target, schema):
        if entities := collection.nulls.get(name, 0):
            yield (
                f"“{collection.name}” cannot be copied as it is: {entities:,} of its entities are null in {name}, and the target "
                "writes the field's default value in the place of a null (servers from 2.5 on do). Give these entities a value "
                "on the source, or leave the collection out."
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


_KEY_LOSSES = {
    KeyPolicy.PLAIN: "auto-id is off on the target, so that the primary keys are kept "
    "(the other choice: new keys, --auto-id new)",
    KeyPolicy.NEW: "the target makes new primary keys and the old ones are lost; it is proved by content without the key, "
    "and starts over if it is interrupted",
}


def _losses(collection: CollectionPlan, schema: Any, target: Target) -> Iterator[str]:
    if collection.keys in _KEY_LOSSES:
        yield _KEY_LOSSES[collection.keys]
    if properties.expires(collection.properties):
        yield (
            "lifetimes (TTL) start again on the target, when the copy is proved; until then no entity expires there"
        )
    yield from properties.left_behind(collection.properties)
    for name in capabilities.default_for_null(target, schema):
        if name not in collection.nulls:
            yield (
                f"a null in {name} becomes its default value (servers from 2.5 on write it so); how many there are could not "
                "be counted, and the proof will name such entities as different"
            )
    for function, provider in capabilities.provider_functions(schema):
        named = f" “{provider}”" if provider else ""
        yield (
            f"the vectors of {function.name} ({', '.join(function.output_field_names)}) are made anew by the target's own "
            f"provider{named}, to be set up there, and are not compared"
        )


def _notes(collection: CollectionPlan) -> Iterator[str]:
    if collection.keys is KeyPolicy.ALLOWED:
        yield (
            "The keys that the source made are kept and auto-id stays on; the target accepts explicit keys "
            f"({properties.ALLOW_KEYS}) until the copy is proved."
        )
    if collection.replicas > 1:
        yield (
            f"It is loaded {collection.replicas} times on the source; so it will be on the target, or once where "
            "there are not enough query nodes."
        )


def _database_losses(of_source: Mapping[str, str], target: Standing) -> Iterator[str]:
    for sentence in properties.left_behind(of_source):
        yield f"Database {sentence}."
    if target.database_properties is None:
        return
    for key, value in properties.carried(of_source).items():
        there = target.database_properties.get(key)
        if there != value:
            yield f"Database property {key} stays {there or 'unset'} on the target (the source has {value})."


def require_two(source: Cluster, target: Standing, names: Iterable[str]) -> None:
    """Raises InputRejected where both sides are one database: copied into itself, or compared with itself and found the same."""
    if _same_place(source, target, names):
        raise InputRejected(
            "Source and target are the same database.",
            state="Nothing was changed.",
            next_step="Choose another target cluster or another target database.",
        )


def _same_place(source: Cluster, target: Standing, names: Iterable[str]) -> bool:
    """Whether both sides are one database: by its address, or by a collection that both hold under one id."""
    if source.database != target.endpoint.database:
        return False
    if places(source.endpoint) & places(target.endpoint):
        return True
    ids = {definitions.collection_id(source, name) for name in names if name in target.ids}
    return not ids.isdisjoint(set(target.ids.values()) - {0})
