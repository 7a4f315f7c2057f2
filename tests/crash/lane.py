"""A database that is migrated again and again, to a new target database each time, and a comparison independent of Ferry's.

What the source holds is read once, when the lane is made, by plain queries of pymilvus; every target is held against that.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import engine
from engine.ledger import Ledger
from engine.lifecycle import EventName, Status
from engine.milvus.client import preparing_client
from engine.model import Endpoint, OnConflict, Plan, Request, Secrets
from tests.crash.workers import Workers
from tests.engine.bed import Key, Row, Side, rows

WHO = "tester"
NUMBERS, TEXTS, RESTING = "numbers", "texts", "resting"
DEFAULT = "_default"


@dataclass(frozen=True)
class Held:
    """What a collection of the source holds.

    Attributes:
        keys: Of all its partitions.
        partitions: Entities of each partition.
        columns: The whole entities of all keys.
        aliases: Its aliases.
    """

    keys: tuple[Key, ...]
    partitions: Mapping[str, int]
    columns: list[Row]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wrong:
    """What a comparison found: entities that are not on the target, entities that are there too often, everything else."""

    lost: int
    doubled: int
    other: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        """Whether the target holds exactly what the source does, and all else is as it should be."""
        return not (self.lost or self.doubled or self.other)


class Lane:
    """One source database with three small collections, and a ledger; one thread at a time uses it.

    Args:
        source: An empty database, which gets filled.
        target_uri: The server that gets the copies.
        ledger: Of all its migrations.
        url: The ledger's address.
        workers: Starts the workers.
    """

    def __init__(
        self, source: Side, target_uri: str, ledger: Ledger, url: str, workers: Workers
    ) -> None:
        self.source = source
        self.ledger = ledger
        self.url = url
        self.workers = workers
        self.target_uri = target_uri
        self.held: dict[str, Held] = {}
        self.fill()
        self._plan = self.planned(self.request(self.database()))

    def fill(self) -> None:
        """Fills the source, and remembers what it holds."""
        self.held = _fill(self.source)

    def database(self) -> str:
        """The name of a target database that nobody has used."""
        return f"c_{uuid.uuid4().hex[:10]}"

    def compared(self, target: Side) -> Wrong:
        """Compares a target with the source, entity by entity."""
        names = target.client.list_collections()
        if sorted(names) != sorted(self.held):
            return Wrong(0, 0, (f"collections {names}",))
        found = [differences(target, name, held) for name, held in self.held.items()]
        other = [word for each in found for word in each.other]
        if RESTING in self.held and self.source.loaded(RESTING):
            other.append(f"{RESTING} was left loaded on the source")
        return Wrong(
            sum(each.lost for each in found), sum(each.doubled for each in found), tuple(other)
        )

    def request(
        self,
        database: str,
        *,
        source_uri: str = "",
        target_uri: str = "",
        on_conflict: OnConflict = OnConflict.FAIL,
    ) -> Request:
        """A request for the whole database; another URI is a proxy's."""
        ends = (
            Endpoint(name=uri, uri=uri, database=name)
            for uri, name in (
                (source_uri or self.source.uri, self.source.database),
                (target_uri or self.target_uri, database),
            )
        )
        return Request(source=next(ends), target=next(ends), on_conflict=on_conflict)

    def planned(self, request: Request) -> Plan:
        """Surveys the source for a request."""
        plan = engine.plan(request, Secrets())
        assert plan.conflicts == ()
        return plan

    @contextmanager
    def migration(self, **changes: Any) -> Iterator["Run"]:
        """A queued migration to a target database of a new name, which goes away with the block.

        The database does not exist yet, unless `on_conflict` is to replace what is there: then it has an old `numbers`.
        """
        database = self.database()
        request = self.request(database, **changes)
        plan = self._plan.model_copy(update={"request": request})
        if request.on_conflict is OnConflict.REPLACE:
            fill_old(Side(self.target_uri, database))
            plan = self.planned(request)  # what may be dropped is in the plan
        try:
            yield self.queued(plan)
        finally:
            Side(self.target_uri, database).clear()

    def queued(self, plan: Plan) -> "Run":
        """Queues this very plan."""
        with self.ledger.transaction() as act:
            migration_id = act.add_migration(plan.request, requester=WHO).id
            act.record_plan(migration_id, plan, WHO)
            act.apply(migration_id, EventName.ENQUEUE, actor=WHO)
        return Run(self, migration_id, plan.request.target.database)


class SmallLane(Lane):
    """The same with two collections and a few hundred entities."""

    def fill(self) -> None:
        """Fills the source, and remembers what it holds."""
        shares: dict[str, list[Key]] = {NUMBERS: list(range(300)), RESTING: list(range(60))}
        for name, keys in shares.items():
            self.source.create(name)
            self.source.insert(name, rows(keys))
        self.held = {
            name: held_by(self.source, name, {DEFAULT: keys}) for name, keys in shares.items()
        }
        self.source.client.flush(RESTING)
        self.source.client.release_collection(RESTING)


@dataclass(frozen=True)
class Run:
    """One migration of a lane."""

    lane: Lane
    id: str
    database: str

    def work(self, crash_at: str = "", **more: Any) -> int:
        """Runs a worker to its end or its death; returns its exit status."""
        return self.lane.workers.run(self.id, self.lane.url, crash_at, **more)

    def damage(self) -> None:
        """Deletes, doubles and adds entities on the target, in more chunks than one."""
        target = Side(self.lane.target_uri, self.database)
        made = {row["id"]: row for row in rows(range(-700, 700))}
        target.client.delete(NUMBERS, ids=[-600, 650])
        target.client.upsert(NUMBERS, [made[-599] | {"text": "other"}])
        target.insert(NUMBERS, [made[10], made[10], made[-598]])
        target.insert(NUMBERS, rows([-5_000, 5_000]))
        target.client.close()

    def left(self) -> list[str]:
        """What of the migration stands on the target: its collections, or at least its database."""
        server = preparing_client(self.lane.target_uri)
        try:
            if self.database not in server.list_databases():
                return []
        finally:
            server.close()
        target = Side(self.lane.target_uri, self.database)
        try:
            return [self.database, *target.client.list_collections()]
        finally:
            target.client.close()

    def wrong(self) -> Wrong:
        """Compares the target with the source; a migration that did not succeed is wrong too."""
        standing = self.lane.ledger.migration(self.id)
        other = (
            () if standing.status is Status.SUCCESSFUL else (f"{standing.status} {standing.error}",)
        )
        target = Side(self.lane.target_uri, self.database)
        try:
            found = self.lane.compared(target)
        finally:
            target.client.close()
        return Wrong(found.lost, found.doubled, (*other, *found.other))


def differences(target: Side, name: str, held: Held) -> Wrong:
    """Compares a collection of the target with what the source holds, entity by entity."""
    if not target.loaded(name):
        return Wrong(0, 0, (f"{name} is not loaded",))
    counted = target.count(name)
    other = []
    for partition, entities in held.partitions.items():
        found = target.count(name, partition)
        if found != entities:
            other.append(f"{name}/{partition} has {found} entities, not {entities}")
    columns = list(target.columns(name, held.keys))
    present = sum(_length(batch) for batch in columns)
    if present == len(held.keys) and columns != held.columns:
        other.append(f"{name} has other entities under its keys")
    aliases = tuple(sorted(target.client.describe_collection(name)["aliases"]))
    if aliases != held.aliases:
        other.append(f"{name} has the aliases {aliases}")
    return Wrong(len(held.keys) - present, counted - present, tuple(other))


def _length(columns: Row) -> int:
    key = columns.get("id")
    if key is None:
        return 0
    scalars = key.scalars
    return len(scalars.long_data.data) or len(scalars.string_data.data)


def _fill(source: Side) -> dict[str, Held]:
    """Makes a plain collection, one with text keys, partitions and an alias, and one with a lifetime that ends released."""
    source.create(NUMBERS)
    source.create(TEXTS, key="VARCHAR", partitions=("a", "b"))
    source.create(RESTING, properties={"collection.ttl.seconds": "86400"})
    shares: dict[str, dict[str, list[Key]]] = {
        NUMBERS: {DEFAULT: list(range(-700, 700))},
        TEXTS: {part: [f"{part} '{n}\"" for n in range(300)] for part in (DEFAULT, "a", "b")},
        RESTING: {DEFAULT: [7 * n for n in range(300)]},
    }
    for name, partitions in shares.items():
        for partition, keys in partitions.items():
            source.insert(name, rows(keys), partition)
    source.client.create_alias(TEXTS, "words")
    held = {name: held_by(source, name, partitions) for name, partitions in shares.items()}
    source.client.flush(RESTING)
    source.client.release_collection(RESTING)
    return held


def fill_old(target: Side) -> None:
    """Makes what is to be replaced: a collection of the same name with other entities, some under the same keys."""
    target.create(NUMBERS, load=False)
    target.insert(NUMBERS, rows(range(-5, 5), text="old"))
    target.client.create_alias(NUMBERS, "old_numbers")
    target.client.close()


def held_by(source: Side, name: str, shares: Mapping[str, list[Key]]) -> Held:
    """What a collection holds that has these keys in its partitions."""
    keys = tuple(key for share in shares.values() for key in share)
    counts = {partition: source.count(name, partition) for partition in shares}
    assert counts == {partition: len(share) for partition, share in shares.items()}
    columns = list(source.columns(name, keys))
    assert sum(_length(batch) for batch in columns) == len(keys)
    return Held(keys, counts, columns, ("words",) if name == TEXTS else ())
