"""Opening, creating and upgrading a ledger, and what is said when that cannot be done."""

import shutil
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, select

import engine.ledger
from engine.errors import ConfigurationInvalid, LedgerIncompatible, ServiceUnavailable
from engine.ledger import VERSION_TABLE, Ledger, open_database, upgrade
from engine.ledger.tables import EventRow, LedgerTable
from engine.lifecycle import EventName, Status
from engine.model import Request

SCRIPTS = Path(engine.ledger.__file__).parent


def described(database: Engine) -> dict[str, Any]:
    """Everything that the database knows of the ledger's tables, in a form that can be compared."""
    inspector = inspect(database)
    tables = sorted(set(inspector.get_table_names()) - {VERSION_TABLE})
    return {
        table: {
            "columns": {c["name"]: plain(c) for c in inspector.get_columns(table)},
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(map(str, inspector.get_foreign_keys(table))),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
            "checks": sorted(map(str, inspector.get_check_constraints(table))),
            "indexes": sorted(map(index, inspector.get_indexes(table))),
        }
        for table in tables
    }


def plain(column: Any) -> str:
    """A column without what differs from run to run."""
    default = str(column["default"]).rpartition(".")[2]
    return f"{column['type']!r} null={column['nullable']} default={default}"


def index(found: Any) -> str:
    """An index, with the condition of one that holds only some of the rows."""
    options = {name: str(option) for name, option in found.pop("dialect_options", {}).items()}
    return f"{found} {options}"


def test_the_revisions_build_what_the_tables_say(ledger: Ledger) -> None:
    """Upgrading from nothing gives exactly the tables of the code: columns, keys, checks, indexes; Alembic sees no difference."""
    upgraded = described(ledger.engine)
    with ledger.engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, LedgerTable.metadata) == []
    with ledger.engine.begin() as connection:
        LedgerTable.metadata.drop_all(connection)
        LedgerTable.metadata.create_all(connection)
    assert upgraded == described(ledger.engine)
    rows = {"migration", "collection_state", "chunk", "mismatch", "set_aside", "event"}
    assert set(upgraded) == rows | {"audit", "audit_head"}


def test_an_upgrade_keeps_every_row(url: str, wish: Request, tmp_path: Path) -> None:
    """A ledger of the first version, with rows that refer to each other, is upgraded and loses none; its references still hold."""
    first = tmp_path / "first" / "versions"
    first.mkdir(parents=True)
    shutil.copy(SCRIPTS / "versions" / "0001_first.py", first)
    database = open_database(url)
    upgrade(database, first.parent, VERSION_TABLE)
    values = {
        "id": "M-0000001",
        "now": datetime(2026, 1, 1, tzinfo=UTC),
        "wish": wish.model_dump_json(),
    }
    with database.begin() as connection:
        connection.execute(text(OLD_MIGRATION), values)
        connection.execute(text(OLD_EVENT), values)
        connection.execute(text(OLD_EVENT), values)
    database.dispose()
    with Ledger.open(url) as ledger:
        assert ledger.migration("M-0000001").status is Status.QUEUED
        assert [(each.id, each.name) for each in ledger.events()] == [(1, "old"), (2, "old")]
        with ledger.transaction() as act:
            assert act.apply("M-0000001", EventName.PAUSE, actor="U1").status is Status.PAUSED
        assert [each.id for each in ledger.events()] == [1, 2, 3]
        with pytest.raises(IntegrityError), ledger.engine.begin() as connection:
            connection.execute(text(OLD_EVENT), values | {"id": "M-0000002"})
        with pytest.raises(IntegrityError), ledger.engine.begin() as connection:
            connection.execute(text("UPDATE migration SET status = 'dancing'"))


def test_what_succeeded_before_it_was_asked_was_handed_over(
    url: str, wish: Request, tmp_path: Path
) -> None:
    """The collections of a migration that an older version ended successfully are their operator's; of another one they are not."""
    first = tmp_path / "first" / "versions"
    first.mkdir(parents=True)
    shutil.copy(SCRIPTS / "versions" / "0001_first.py", first)
    database = open_database(url)
    upgrade(database, first.parent, VERSION_TABLE)
    values = {"now": datetime(2026, 1, 1, tzinfo=UTC), "wish": wish.model_dump_json()}
    with database.begin() as connection:
        for id_, name in (("M-0000001", "succeed"), ("M-0000002", "mismatch")):
            connection.execute(text(OLD_MIGRATION), values | {"id": id_})
            connection.execute(
                text(OLD_EVENT.replace("'old'", ":name")), values | {"id": id_, "name": name}
            )
            connection.execute(text(OLD_COLLECTION), {"id": id_})
    database.dispose()
    with Ledger.open(url) as ledger:
        states = [ledger.collection_states(id_)[0] for id_ in ("M-0000001", "M-0000002")]
        assert [state.handed_over for state in states] == [True, False]


def old_database(url: str, wish: Request, folder: Path) -> Engine:
    """A ledger of the first version with three chunks: not compared, the same, different; the caller disposes of it."""
    first = folder / "first" / "versions"
    first.mkdir(parents=True)
    shutil.copy(SCRIPTS / "versions" / "0001_first.py", first)
    database = open_database(url)
    upgrade(database, first.parent, VERSION_TABLE)
    values = {
        "id": "M-0000001",
        "now": datetime(2026, 1, 1, tzinfo=UTC),
        "wish": wish.model_dump_json(),
    }
    with database.begin() as connection:
        connection.execute(text(OLD_MIGRATION), values)
        connection.execute(text(OLD_COLLECTION), values)
        for ordinal, verified in enumerate((None, True, False)):
            place = {"id": "M-0000001", "ordinal": ordinal, "verified": verified}
            connection.execute(text(OLD_CHUNK), place)
    return database


def test_what_was_found_different_before_is_doubted(
    url: str, wish: Request, tmp_path: Path
) -> None:
    """An older ledger's receipts are believed but where something was found different; what its source counted nobody knows."""
    database = old_database(url, wish, tmp_path)
    database.dispose()
    with Ledger.open(url) as ledger:
        chunks = ledger.chunks("M-0000001", "films")
        assert [chunk.doubted for chunk in chunks] == [False, False, True]
        assert ledger.collection_states("M-0000001")[0].source_surplus is None


OLD_MIGRATION = """
    INSERT INTO migration (id, identity, request, status, phase, requester, reason, created_at, cleared_at, attempts, lease_token)
    VALUES (:id, 'i', :wish, 'queued', '', 'U1', '', :now, :now, 0, 0)
"""
OLD_COLLECTION = """
    INSERT INTO collection_state (migration_id, name, phase, read_timestamp, copy_seconds)
    VALUES (:id, 'films', 'verified', 0, 0)
"""
OLD_CHUNK = """
    INSERT INTO chunk (migration_id, collection, partition, ordinal, entities, attempted, verified)
    VALUES (:id, 'films', '_default', :ordinal, 10, true, :verified)
"""
OLD_EVENT = """
    INSERT INTO event (migration_id, at, name, actor, from_status, to_status, details)
    VALUES (:id, :now, 'old', 'U1', 'planning', 'queued', '{}')
"""


def test_there_is_one_newest_revision() -> None:
    """The revisions form one line with one head."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_a_ledger_is_opened_twice_and_keeps_what_is_in_it(url: str, wish: Request) -> None:
    """Opening a ledger again upgrades nothing and loses nothing."""
    with Ledger.open(url) as ledger, ledger.transaction() as transaction:
        made = transaction.add_migration(wish, requester="me")
    with Ledger.open(url) as ledger:
        assert ledger.migrations() == (made,)


OPEN_TOGETHER = """
import sys
from engine.ledger import Ledger
print("ready", flush=True)
sys.stdin.readline()
with Ledger.open(sys.argv[1]) as ledger:
    print(len(ledger.migrations()), flush=True)
"""


def test_processes_may_create_a_ledger_at_the_same_time(
    url: str, child: Callable[..., SimpleNamespace]
) -> None:
    """Three processes that open a ledger which is not there yet all get it, and it is created once."""
    openers = [child(OPEN_TOGETHER, url) for _ in range(3)]
    assert [opener.line() for opener in openers] == ["ready"] * 3
    for opener in openers:
        opener.go()
    assert [opener.line() for opener in openers] == ["0"] * 3
    assert [opener.process.wait(30) for opener in openers] == [0] * 3


def test_threads_may_create_a_ledger_at_the_same_time(url: str) -> None:
    """Threads that open the same new ledger at once all get it."""
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def opening() -> None:
        try:
            start.wait()
            Ledger.open(url).close()
        except BaseException as error:  # noqa: BLE001  # handed to the test's thread
            failures.append(error)

    threads = [threading.Thread(target=opening) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_newer_ledger_is_refused_with_the_way_out(url: str) -> None:
    """A ledger at a revision that this version does not know is not touched; the reader learns what to install."""
    with Ledger.open(url) as ledger, ledger.engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(LedgerIncompatible, match="revision 9999") as caught:
        Ledger.open(url)
    assert "Install the version" in caught.value.next_step
    assert caught.value.exit_code == 7


def test_a_failed_upgrade_leaves_nothing_half_done(url: str, tmp_path: Path) -> None:
    """When a revision breaks in the middle, its first half is undone with it."""
    scripts = revisions(tmp_path, 'op.execute("CREATE TABLE half (id INTEGER)"); op.execute("NO")')
    database = open_database(url)
    with pytest.raises(DBAPIError, match="NO"):
        upgrade(database, scripts, "other_version")
    assert inspect(database).get_table_names() == []
    database.dispose()


def revisions(tmp_path: Path, body: str) -> Path:
    """A folder with one Alembic revision of somebody else."""
    folder = tmp_path / "their scripts 100%"
    (folder / "versions").mkdir(parents=True)
    (folder / "versions" / "0001_theirs.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\n"
        "revision, down_revision = 'theirs1', None\n"
        f"def upgrade():\n    {body}\n"
    )
    return folder


class Theirs(SQLModel, registry=registry(metadata=MetaData())):
    """The base of somebody else's tables."""


class Click(Theirs, table=True):
    """A row of somebody else."""

    id: str = Field(primary_key=True)


def test_others_keep_their_tables_beside_the_ledgers(
    ledger: Ledger, wish: Request, tmp_path: Path
) -> None:
    """Another branch of revisions lives in the same database; its rows are committed with a migration's change or not at all."""
    scripts = revisions(
        tmp_path, 'op.create_table("click", sa.Column("id", sa.Text(), primary_key=True))'
    )
    upgrade(ledger.engine, scripts, "their_version")
    upgrade(ledger.engine, scripts, "their_version")

    def click() -> None:
        with ledger.transaction() as transaction:
            transaction.add_migration(wish, requester="me")
            transaction.session.add(Click(id="one"))

    click()
    with pytest.raises(IntegrityError):
        click()
    with ledger.transaction() as transaction:
        assert [click.id for click in transaction.session.exec(select(Click))] == ["one"]
    assert len(ledger.migrations()) == 1


def test_states_are_stored_by_their_values(ledger: Ledger, wish: Request) -> None:
    """The database holds "planning", not "PLANNING", and takes no state that does not exist, from Python or from SQL."""
    with ledger.transaction() as transaction:
        made = transaction.add_migration(wish, requester="me")
    with ledger.engine.connect() as connection:
        status = connection.execute(text("SELECT status FROM migration")).scalar_one()
    assert status == "planning"
    with pytest.raises(IntegrityError), ledger.engine.begin() as connection:
        connection.execute(text("UPDATE migration SET status = 'nonsense'"))
    stranger: Any = "nonsense"
    row = EventRow(
        migration_id=made.id, at=datetime.now(UTC), name="x", actor="x", to_status=stranger
    )
    with pytest.raises(StatementError), ledger.transaction() as transaction:
        transaction.session.add(row)
    with pytest.raises(ValueError, match="time zone"), ledger.transaction() as transaction:
        transaction.add_migration(wish, requester="me", due_at=datetime(2026, 1, 1))  # noqa: DTZ001  # refused


def test_sqlite_is_durable_and_checks_its_references(tmp_path: Path) -> None:
    """Every connection runs with WAL, FULL and foreign keys: a power cut loses no commit."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ferry.db'}") as ledger:
        connections = [ledger.engine.connect() for _ in range(3)]
        for connection in connections:
            read = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
            assert read == ["wal", 2, 1, 30000]
            connection.close()


def test_a_writer_on_sqlite_locks_at_its_beginning(tmp_path: Path) -> None:
    """A transaction holds the write lock before its first statement, so that what it read is still so when it writes."""
    path = tmp_path / "ferry.db"
    with Ledger.open(f"sqlite:///{path}") as ledger, ledger.transaction():
        other = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT count(*) FROM migration").fetchone() == (0,)
        other.close()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("nonsense", "not a database URL"),
        ("mysql://root:hunter2@localhost/ferry", "mysql is not supported"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:////nowhere/at/all/ferry.db", "there is no folder"),
    ],
)
def test_an_address_without_a_ledger_says_what_to_set(address: str, says: str) -> None:
    """An address that cannot be one is refused with an example of one that can; a password in it is not repeated."""
    with pytest.raises(ConfigurationInvalid, match=says) as caught:
        Ledger.open(address)
    assert "FERRY_DATABASE_URL" in caught.value.next_step
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    """A file of another kind is refused and not changed."""
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, not a database, and they are long enough" * 20)
    before = path.read_bytes()
    with pytest.raises(ConfigurationInvalid, match="not a database") as refused:
        Ledger.open(f"sqlite:///{path}")
    assert (
        "this file and its folder may be written, also to look, and that the disk is not full, or set"
        in refused.value.next_step
    )
    assert path.read_bytes() == before


def test_a_server_that_is_not_there_can_be_tried_again(tmp_path: Path) -> None:
    """A PostgreSQL that does not answer is a temporary failure, and its password is not shown."""
    with pytest.raises(ServiceUnavailable) as caught:
        Ledger.open(f"postgresql://ferry:hunter2@/ferry?host={tmp_path}")
    assert caught.value.exit_code == 5
    assert "hunter2" not in str(caught.value)


def test_a_full_disk_is_a_temporary_failure(tmp_path: Path, wish: Request) -> None:
    """When the ledger cannot grow, the act is refused as a whole, and taken once there is room again."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ferry.db'}") as ledger:
        with ledger.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            limit = connection.connection.dbapi_connection
            assert limit is not None
            limit.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(ServiceUnavailable, match="full") as caught, ledger.transaction() as t:
            t.add_migration(wish, requester="me", reason="long" * 10_000)
        assert "disk" in caught.value.next_step
        assert ledger.migrations() == ()
        with ledger.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 100}")
        with ledger.transaction() as transaction:
            transaction.add_migration(wish, requester="me", reason="long" * 10_000)
