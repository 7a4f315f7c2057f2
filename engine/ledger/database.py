"""The engine under the ledger: connections, durability, transactions, and Alembic run from inside the program.

It knows SQLite and PostgreSQL and nothing of migrations; the bot's own tables use the same functions. SQLAlchemy's failures become
Ferry's here, because nothing outside the ledgers knows SQLAlchemy. It never prints a URL with its password.

In all parts of the ledgers, statements of what is done or asked all the time are constants of their module: building one costs up
to three times what executing it does.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlmodel import Session
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from engine.errors import ConfigurationInvalid, LedgerAway, LedgerIncompatible
from engine.ledger import network
from engine.ledger.repeatable import Waits, at_once

BUSY_SECONDS: Final = 30.0
"""How long a writer waits for the writer before it."""

FROZEN_SECONDS: Final = 10.0
"""How long PostgreSQL waits for the next statement of a transaction: a process that was frozen in one must not hold up others."""

_ROLLED_BACK: Final = "25P03"
"""What PostgreSQL says to that process when it goes on (`idle_in_transaction_session_timeout`)."""

VERSION_TABLE: Final = "ledger_version"

_VERSIONS: Final = Path(__file__).parent
_ORDER_LOCK: Final = 0x46455252595F31
"""PostgreSQL's advisory lock under which events are appended ("FERRY_1")."""
_UPGRADE_LOCK: Final = 0x46455252595F32
_READS: Final = "ferry_reads"

Clock = Callable[[], datetime]


class _Cursor(Protocol):
    def execute(self, statement: str) -> object: ...

    def close(self) -> object: ...


def utc_now() -> datetime:
    """The time, aware, in UTC: the default clock."""
    return datetime.now(UTC)


def open_database(url: str) -> Engine:
    """Connect to `sqlite:///path` or `postgresql://…` as a ledger needs it; the caller disposes of the engine.

    SQLite: WAL, synchronous=FULL (a power cut loses no commit), foreign keys, and transactions that SQLAlchemy begins itself:
    `BEGIN IMMEDIATE` for writers, so that none of them fails half-way at the upgrade of a read lock. PostgreSQL: psycopg, READ
    COMMITTED, nobody waits longer than `BUSY_SECONDS` for a lock.

    Raises:
        ConfigurationInvalid: The URL is not one of these, or no database can be there.
        ServiceUnavailable: The database does not answer.
    """
    place = _place(url)
    if place.get_backend_name() == "sqlite":
        return _open_sqlite(place)
    return _open_postgresql(place)


def upgrade(engine: Engine, script_location: Path, version_table: str) -> None:
    """Bring the tables of one Alembic branch to their newest revision; several processes may do so at once.

    Everything happens in one transaction that excludes all others (`BEGIN IMMEDIATE`, an advisory lock): a crash leaves nothing
    half done. Revisions are read from `<script_location>/versions`; no `env.py` is needed.

    Raises:
        LedgerIncompatible: The tables are at a revision that this version does not know.
        ServiceUnavailable: The database does not answer.
    """
    config, scripts = _scripts(script_location)
    with answering():
        with engine.execution_options(**{_READS: True}).connect() as connection:
            if _at_head(connection, scripts, version_table):
                return
        with _without_references(engine) as connection, connection.begin():
            _lock(connection, _UPGRADE_LOCK)
            if not _at_head(connection, scripts, version_table):
                _run_revisions(connection, config, scripts, version_table)
                _check_references(connection)


@contextmanager
def answering() -> Iterator[None]:
    """Turn the database's failures into `LedgerAway`: what was begun was rolled back.

    Only failures of the database itself: a violated constraint or wrong SQL is a mistake of the program and passes as it is.
    """
    try:
        yield
    except DBAPIError as error:
        if not _is_outage(error):
            raise
        said = " ".join(str(error.orig).split()).rstrip("?.")  # PostgreSQL's is several lines long
        raise LedgerAway(
            f"The ledger did not take it: {said}.",
            state="This step is not recorded; everything before it is.",
            next_step="See that the ledger's database is up, may be written, and has room on its disk; then try again.",
        ) from error


def _is_outage(error: DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) == _ROLLED_BACK:
        return True
    # Exactly these: IntegrityError, ProgrammingError and others derive from DatabaseError.
    if type(error) not in {OperationalError, InterfaceError, DatabaseError}:
        return False
    # SQLite calls wrong SQL operational too, with its plainest code.
    return getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR


class Database:
    """An engine and a clock, with the two kinds of transactions that the ledger's parts are made of."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self.waits: Waits = at_once
        self._clock = clock
        self._reader = engine.execution_options(**{_READS: True})
        # SQLite has one writer; threads wait here in turn instead of polling for its file lock.
        self._writer = threading.Lock() if engine.dialect.name == "sqlite" else None

    def now(self) -> datetime:
        """The time, aware, by the clock that leases are stamped with."""
        return self._clock()

    def close(self) -> None:
        """Close all connections; the ledger must not be used any more."""
        self.engine.dispose()

    @contextmanager
    def _read(self) -> Iterator[Session]:
        """A transaction that only reads: it waits for nobody."""
        with answering(), Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def _write(self, *, ordered: bool = False) -> Iterator[Session]:
        """A transaction that commits at the end, or rolls back when anything is raised.

        Args:
            ordered: It appends events. On PostgreSQL such transactions follow one another, so that events become visible in the
                order of their ids and a reader that remembers the last id misses none. It is also the first lock taken, always.
        """
        opened = Session(self.engine, expire_on_commit=False)
        with answering(), self._in_turn(), opened as session, session.begin():
            if ordered:
                _lock(session.connection(), _ORDER_LOCK)
            yield session

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """As `_read`, for what is asked all the time and makes no rows: a session costs a third more."""
        with answering(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """As `_write`, for statements: likewise."""
        with answering(), self._in_turn(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._writer is None:
            yield
            return
        if not self._writer.acquire(timeout=BUSY_SECONDS):
            raise LedgerAway(
                f"Another part of this process has been writing to the ledger for {BUSY_SECONDS:.0f} s.",
                state="This step is not recorded; everything before it is.",
                next_step="Try again.",
            )
        try:
            yield
        finally:
            self._writer.release()


def _place(url: str) -> URL:
    try:
        place = make_url(url.replace("postgres://", "postgresql://", 1))
    except ArgumentError as error:
        raise _unusable("it is not a database URL") from error
    backend = place.get_backend_name()
    if backend == "sqlite":
        if place.database in (None, "", ":memory:"):
            raise _unusable("it must name a file, because several processes share it")
        return place.set(drivername="sqlite+pysqlite")
    if backend == "postgresql":
        return place.set(drivername="postgresql+psycopg")
    raise _unusable(f"{backend} is not supported")


def _unusable(reason: str, first: str = "") -> ConfigurationInvalid:
    set_it = "et FERRY_DATABASE_URL to sqlite:///path/to/ferry.db or postgresql://user:password@host/database."
    return ConfigurationInvalid(
        f"The ledger's address cannot be used: {reason}.",
        state="Nothing was done.",
        next_step=f"{first}, or s{set_it}" if first else f"S{set_it}",
    )


def _open_sqlite(place: URL) -> Engine:
    folder = Path(str(place.database)).parent
    if not folder.is_dir():
        raise _unusable(f"there is no folder {folder}")
    engine = create_engine(place, pool_size=16, max_overflow=16)

    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # pysqlite would begin transactions by itself, late and deferred; SQLAlchemy's "begin" does it below.
        connection.isolation_level = None
        _execute(
            connection.cursor(),
            f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}",
            "PRAGMA synchronous = FULL",
            "PRAGMA foreign_keys = ON",
        )

    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    try:
        _use_wal(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _use_wal(engine: Engine) -> None:
    """Switch the file to WAL; the switch itself ignores busy_timeout, hence the retries while others open the file too."""
    attempts = Retrying(
        retry=retry_if_exception_type(sqlite3.OperationalError),
        wait=wait_random(0.01, 0.1),
        stop=stop_after_delay(BUSY_SECONDS),
        reraise=True,
    )
    try:
        mode = attempts(_journal_mode, engine)
    except (sqlite3.DatabaseError, DatabaseError) as error:
        reason = error.orig if isinstance(error, DatabaseError) else error
        writable = "See that this file and its folder may be written, also to look, and that the disk is not full"
        raise _unusable(f"{engine.url.database}: {reason}", writable) from error
    if mode != "wal":
        raise _unusable(f"{engine.url.database} lies on a file system without write-ahead logging")


def _journal_mode(engine: Engine) -> str:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        (mode,) = cursor.fetchone() or ("unknown",)
        return str(mode)
    finally:
        connection.close()


def _open_postgresql(place: URL) -> Engine:
    try:
        engine = create_engine(
            place,
            pool_pre_ping=True,
            pool_size=16,
            max_overflow=16,
            connect_args=network.patience(place.query),
        )
    except (ImportError, NoSuchModuleError) as error:
        raise _unusable("PostgreSQL needs psycopg: install ferry[postgres]") from error

    def configure(connection: Any, _record: object) -> None:
        _execute(
            connection.cursor(),
            f"SET lock_timeout = {BUSY_SECONDS * 1000:.0f}",
            f"SET idle_in_transaction_session_timeout = {FROZEN_SECONDS * 1000:.0f}",
        )
        connection.commit()

    event.listen(engine, "connect", configure)
    return engine


def _execute(cursor: _Cursor, *statements: str) -> None:
    for statement in statements:
        cursor.execute(statement)
    cursor.close()


def _lock(connection: Connection, key: int) -> None:
    """Wait for PostgreSQL's advisory lock and keep it until the transaction ends; `BEGIN IMMEDIATE` is SQLite's."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


@contextmanager
def _without_references(engine: Engine) -> Iterator[Connection]:
    """A connection on which SQLite lets a table be made anew to which others refer; it can be said only outside a transaction.

    Source: sqlite.org/lang_altertable.html, section 7.
    """
    with engine.connect() as connection:
        if connection.dialect.name != "sqlite":
            yield connection
            return
        driver: Any = connection.connection.driver_connection
        _execute(driver.cursor(), "PRAGMA foreign_keys = OFF")
        try:
            yield connection
        finally:
            _execute(driver.cursor(), "PRAGMA foreign_keys = ON")


def _check_references(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if dangling:
        raise LedgerIncompatible(
            f"The ledger's tables contradict each other: {dangling[:3]}.",
            state="Nothing was changed in it.",
            next_step="Restore the ledger from its last backup, or send us a copy of it.",
        )


@cache
def _scripts(location: Path) -> tuple[Config, ScriptDirectory]:
    """The revisions of a branch, imported once per process."""
    config = Config()
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)


def _at_head(connection: Connection, scripts: ScriptDirectory, version_table: str) -> bool:
    context = MigrationContext.configure(connection, opts={"version_table": version_table})
    current = set(context.get_current_heads())
    known = {script.revision for script in scripts.walk_revisions()}
    if current - known:
        raise LedgerIncompatible(
            f"The ledger was written by a newer version of Ferry (revision {', '.join(sorted(current - known))}).",
            state="Nothing was changed in it.",
            next_step="Install the version of Ferry that wrote it, or name another ledger in FERRY_DATABASE_URL.",
        )
    return current == set(scripts.get_heads())


def _run_revisions(
    connection: Connection, config: Config, scripts: ScriptDirectory, version_table: str
) -> None:
    """Run what is missing, inside the caller's transaction."""

    def steps(revision: Any, _context: MigrationContext) -> Any:
        return scripts._upgrade_revs("head", revision)  # noqa: SLF001  # alembic.command does the same; there is no public name

    with EnvironmentContext(config, scripts, fn=steps, destination_rev="head") as environment:
        environment.configure(
            connection=connection, version_table=version_table, transactional_ddl=True
        )
        environment.run_migrations()


def upgrade_ledger(engine: Engine) -> None:
    """Create or upgrade the ledger's own tables (`upgrade`)."""
    upgrade(engine, _VERSIONS, VERSION_TABLE)
