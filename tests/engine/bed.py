"""Two databases and a ledger for a migration, and a reader of their entities that shares nothing with Ferry's.

A test makes collections on `source`, moves them with `migrate`, and looks at `target`. All of it goes away with the test.
"""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from pymilvus import DataType
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc
from sqlalchemy import event

import engine
from engine import worker
from engine.ledger import LEASE_SECONDS, Ledger
from engine.lifecycle import EventName
from engine.milvus.client import preparing_client
from engine.model import Endpoint, OnConflict, Plan, Progress, Report, Request, Secrets
from engine.ranges import CHUNK_BYTES

PARTITIONS = 20
PARTITION_ENTITIES = 20
"""Of the collection `parts` of the fixture `filled`."""

STALL_SECONDS = 0.05
WHO = "tester"
BATCH = 2_000
GET_BATCH = 4_000
EVENTUALLY = 1
"""The timestamp of a read that waits for nothing; only after a strong one."""
FLAT = {"index_type": "FLAT", "metric_type": "L2", "params": {}}

Row = dict[str, Any]
Key = int | str


class Side:
    """One database of one server.

    Args:
        uri: Of the server.
        database: It is made where it is not there.
    """

    def __init__(self, uri: str, database: str = "default") -> None:
        self.uri = uri
        self.database = database
        if database != "default":
            with_default = preparing_client(uri)
            if database not in with_default.list_databases():
                with_default.create_database(database)
            with_default.close()
        self.client = preparing_client(uri, db_name=database)
        self._loading: list[str] = []

    @property
    def endpoint(self) -> Endpoint:
        """As a request names it."""
        return Endpoint(name=self.uri, uri=self.uri, database=self.database)

    def create(
        self,
        name: str,
        *,
        key: str = "INT64",
        key_length: int = 200,
        fields: Sequence[tuple[str, DataType, Row]] = (),
        schema: Row | None = None,
        partitions: Iterable[str] = (),
        index: bool = True,
        load: bool = True,
        **options: Any,
    ) -> None:
        """Makes a collection of key, vector, text and `fields`; asks for it to be loaded and does not wait.

        Its partitions are there before: Milvus 2.3.5 may never load one that is made while its collection is being loaded.
        """
        made = self.client.create_schema(**{"auto_id": False} | (schema or {}))
        length = {"max_length": key_length} if key == "VARCHAR" else {}
        made.add_field("id", DataType[key], is_primary=True, **length)
        made.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
        made.add_field("text", DataType.VARCHAR, max_length=60_000)
        for field_name, field_type, params in fields:
            made.add_field(field_name, field_type, **params)
        self.client.create_collection(name, schema=made, **options)
        for partition in partitions:
            self.client.create_partition(name, partition)
        if index:
            params = self.client.prepare_index_params()
            params.add_index("vector", index_name="vector_index", **FLAT)
            self.client.create_index(name, params, sync=False)
        if index and load:
            self.client.load_collection(name, _async=True)
            self._loading.append(name)

    def ready(self) -> None:
        """Returns when everything that `create` asked for is loaded: several load as fast as one."""
        while self._loading:
            self.client.load_collection(self._loading.pop())

    def insert(self, name: str, rows: Iterable[Row], partition: str = "") -> None:
        """Inserts the rows in requests that a server takes."""
        listed = list(rows)
        for start in range(0, len(listed), BATCH):
            self.client.insert(name, listed[start : start + BATCH], partition_name=partition)

    def count(self, name: str, partition: str = "", condition: str = "") -> int:
        """`count(*)`, strongly consistent, duplicates included."""
        self.ready()
        found = self.client.query(
            name,
            filter=condition,
            output_fields=["count(*)"],
            partition_names=[partition] if partition else None,
            consistency_level="Strong",
        )
        return int(found[0]["count(*)"])

    def get(self, name: str, keys: Iterable[Key]) -> dict[Key, Row]:
        """Whole entities by their keys, as rows, strongly consistent."""
        self.ready()
        listed = json.dumps(list(keys), ensure_ascii=False)
        answer = self.client.query(
            name, filter=f"id in {listed}", output_fields=["*"], consistency_level="Strong"
        )
        return {row["id"]: dict(row) for row in answer}

    def columns(self, name: str, keys: Sequence[Key]) -> Iterator[Row]:
        """Whole entities by their keys, not by ranges, a batch at a time as the columns that the server answers."""
        with grpc.insecure_channel(
            self.uri.removeprefix("http://"), [("grpc.max_receive_message_length", -1)]
        ) as channel:
            stub = milvus_pb2_grpc.MilvusServiceStub(channel)
            for start in range(0, len(keys), GET_BATCH):
                listed = json.dumps(list(keys[start : start + GET_BATCH]), ensure_ascii=False)
                answer = stub.Query(
                    milvus_pb2.QueryRequest(
                        db_name=self.database,
                        collection_name=name,
                        expr=f"id in {listed}",
                        output_fields=["*"],
                        consistency_level=common_pb2.ConsistencyLevel.Customized,
                        guarantee_timestamp=EVENTUALLY,
                    )
                )
                assert answer.status.code == 0, answer.status
                for column in answer.fields_data:
                    column.field_id = 0
                yield {column.field_name: column for column in answer.fields_data}

    def loaded(self, name: str) -> bool:
        """Whether the collection is loaded."""
        return str(self.client.get_load_state(name)["state"].name) == "Loaded"

    def drop(self, name: str) -> None:
        """Drops a collection with its aliases."""
        for alias in self.client.describe_collection(name)["aliases"]:
            self.client.drop_alias(alias)
        self.client.drop_collection(name)
        self._loading = [each for each in self._loading if each != name]

    def empty(self) -> None:
        """Drops everything in the database."""
        for name in self.client.list_collections():
            self.drop(name)

    def clear(self) -> None:
        """Drops everything in the database, and the database."""
        self.empty()
        self.client.close()
        if self.database != "default":
            client = preparing_client(self.uri)
            if self.database in client.list_databases():
                client.drop_database(self.database)
            client.close()


@dataclass
class Bed:
    """Source, target and ledger of a test."""

    source: Side
    target: Side
    ledger: Ledger
    url: str

    def request(
        self,
        *names: str,
        on_conflict: OnConflict = OnConflict.FAIL,
        source_uri: str = "",
        target_uri: str = "",
    ) -> Request:
        """A request for these collections, all where none is named; another URI is a proxy's."""
        source, target = self.source.endpoint, self.target.endpoint
        if source_uri:
            source = source.model_copy(update={"uri": source_uri, "name": source_uri})
        if target_uri:
            target = target.model_copy(update={"uri": target_uri, "name": target_uri})
        return Request(source=source, target=target, collections=names, on_conflict=on_conflict)

    def queued(self, *names: str, **changes: Any) -> str:
        """Plans a request and queues it; returns the migration's id."""
        return self.enqueue(self.request(*names, **changes))

    def enqueue(self, request: Request) -> str:
        """Plans this very request and queues it."""
        self.source.ready()
        return self.enqueue_plan(engine.plan(request, Secrets()))

    def enqueue_plan(self, plan: Plan) -> str:
        """Queues this very plan."""
        assert plan.conflicts == ()
        with self.ledger.transaction() as act:
            migration_id = act.add_migration(plan.request, requester=WHO).id
            act.record_plan(migration_id, plan, WHO)
            act.apply(migration_id, EventName.ENQUEUE, actor=WHO)
        return migration_id

    def run(
        self,
        migration_id: str,
        *,
        stop: threading.Event | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> Report:
        """Claims it and drives it to its end in this process, with a lease as long as a worker's."""
        return engine.run(
            self.ledger,
            migration_id,
            Secrets(),
            stop=stop,
            on_progress=on_progress,
            chunk_bytes=chunk_bytes,
            lease_seconds=float(os.environ.get(worker.LEASE_SECONDS, LEASE_SECONDS)),
        )

    def migrate(self, *names: str, **changes: Any) -> Report:
        """Plans, queues and runs."""
        return self.run(self.queued(*names, **changes))

    def verify(self, *names: str) -> Report:
        """Reads both sides and compares."""
        return engine.verify(self.request(*names), Secrets())

    def report(self, migration_id: str) -> Report:
        """What became of it, from the ledger."""
        return engine.report(self.ledger, migration_id)

    def act(self, migration_id: str, event: EventName) -> None:
        """What a person does to it."""
        with self.ledger.transaction() as act:
            act.apply(migration_id, event, actor=WHO)

    def chunks(self, migration_id: str, name: str) -> tuple[int, int, int]:
        """Chunks of a collection: all, marked as attempted, with a receipt."""
        chunks = list(self.ledger.chunks(migration_id, name))
        marked = sum(chunk.attempted for chunk in chunks)
        return len(chunks), marked, sum(chunk.receipt is not None for chunk in chunks)

    def ferry(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line in the ledger's folder."""
        return ferry(Path(self.url.removeprefix("sqlite:///")).parent, *arguments)

    def assert_same(self, name: str, keys: Sequence[Key]) -> None:
        """Both sides hold exactly these keys, each once, and the same entity under each."""
        assert (self.source.count(name), self.target.count(name)) == (len(keys),) * 2
        batches = (side.columns(name, keys) for side in (self.source, self.target))
        for ours, theirs in zip(*batches, strict=True):
            assert ours.keys() == theirs.keys()
            differing = [field for field, column in ours.items() if column != theirs[field]]
            assert differing == []


@contextmanager
def running(
    bed: Bed,
    migration_id: str,
    stop: threading.Event | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[tuple[list[Report], threading.Semaphore]]:
    """Runs a migration in a thread; when the block ends it has ended, and its report is in the list.

    The semaphore is released at each beat of its heart, after it has listened.
    """
    reports: list[Report] = []
    beats = threading.Semaphore(0)

    def run() -> None:
        report = bed.run(
            migration_id, stop=stop, on_progress=lambda _: beats.release(), chunk_bytes=chunk_bytes
        )
        reports.append(report)

    thread = threading.Thread(target=run)
    thread.start()
    yield reports, beats
    thread.join(90)
    assert not thread.is_alive()


def heard(beats: threading.Semaphore) -> None:
    """Returns when the heart has listened to whatever was said before."""
    while beats.acquire(blocking=False):
        pass  # beats of before
    for _ in range(2):
        assert beats.acquire(timeout=90)


@contextmanager
def ledger_failing(bed: Bed) -> Iterator[threading.Event]:
    """What a writer's thread says to the ledger fails as on a bad disk while the block runs; the event says that it did."""
    failed = threading.Event()

    def fail(*_: object) -> None:
        if threading.current_thread().name.startswith("writer"):
            failed.set()
            raise sqlite3.OperationalError("disk I/O error")

    event.listen(bed.ledger.engine, "do_execute", fail)
    try:
        yield failed
    finally:
        event.remove(bed.ledger.engine, "do_execute", fail)


@contextmanager
def stalls() -> Iterator[Callable[[], float]]:
    """Counts by how many seconds this process was late while the block ran: what a busy machine took from it."""
    over, late = threading.Event(), [0.0]

    def watch() -> None:
        ended = False
        while not ended:
            since = time.monotonic()
            ended = over.wait(STALL_SECONDS)
            late[0] += max(0.0, time.monotonic() - since - STALL_SECONDS)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield lambda: late[0]
    finally:
        over.set()
        watching.join()


def ferry(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `ferry …` in a folder without configuration."""
    program = str(Path(sys.executable).with_name("ferry"))
    return subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )


def until(condition: Callable[[], bool], seconds: float = 90) -> None:
    """Returns as soon as the condition holds; fails when the time is over."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        pause.wait(0.05)


def rows(keys: Iterable[Key], *, text: str = "text") -> Iterator[Row]:
    """An entity for each key; equal places make equal entities."""
    for place, key in enumerate(keys):
        vector = [float(place % 97 + step) for step in range(4)]
        yield {"id": key, "vector": vector, "text": f"{text} {place}"}
