"""The bot's tables: made as they are described, and written once."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bot.ledger import VERSION_TABLE, BotLedger, Delivery, Kind, Posted, tables
from bot.ledger.tables import BotTable
from engine.ledger import Ledger, TransitionRefused, upgrade
from engine.lifecycle import EventName
from engine.model import Migration


@pytest.fixture
def ledger_url(on_each_database: str) -> str:
    """Each test runs on both databases."""
    return on_each_database


def test_the_revisions_make_the_tables(ledger: Ledger, records: BotLedger) -> None:
    """The tables after all revisions are the tables that the code describes."""
    assert records.place() == 0
    metadata = BotTable.metadata
    with ledger.engine.connect() as connection:
        options = {
            "include_object": lambda thing, name, kind, *_: (
                (thing.table if kind != "table" else thing).name.startswith("bot_")
                and name != "bot_version"
            ),
            "version_table": "bot_version",
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_both_parts_open_again(ledger: Ledger, records: BotLedger) -> None:
    """Tables that are there already are left as they are."""
    assert records.collect(0, 7, [])
    assert BotLedger(ledger).place() == 7


def test_a_place_moves_once(records: BotLedger) -> None:
    """Of two narrators that read the same events one puts them into the outbox."""
    owed = [("M-1", 4, Kind.ROOT), ("M-1", 4, Kind.REPLY)]
    assert records.collect(0, 4, owed)
    assert not records.collect(0, 4, owed)
    assert [(row.event_id, row.kind) for row in records.pending()] == [
        (4, Kind.ROOT),
        (4, Kind.REPLY),
    ]


def test_an_event_is_owed_once_per_kind(records: BotLedger) -> None:
    """A message of one event and kind is in the outbox once, whoever puts it there again."""
    records.collect(0, 4, [("M-1", 4, Kind.REPLY)])
    records.collect(4, 5, [("M-1", 4, Kind.REPLY), ("M-1", 5, Kind.REPLY)])
    assert [row.event_id for row in records.pending()] == [4, 5]


def test_what_is_sent_is_not_owed(records: BotLedger) -> None:
    """A row that was sent is settled together with where its message stands."""
    records.collect(0, 4, [("M-1", 4, Kind.ROOT)])
    (owed,) = records.pending()
    records.settle(owed, Delivery.SENT, posted=Posted("C1", "1.2"))
    assert records.pending() == ()
    assert records.posted("M-1") == {Kind.ROOT: Posted("C1", "1.2")}


def test_a_delivery_and_its_effect_are_one(
    ledger: Ledger, records: BotLedger, awaiting: Callable[..., Migration]
) -> None:
    """A delivery whose transaction failed is not received, so its repetition takes effect."""
    migration = awaiting()
    with contextlib.suppress(TransitionRefused), ledger.transaction() as tx:
        assert records.receive(tx, "event:1", migration.id)
        tx.apply(migration.id, EventName.RESUME, actor="U0ADMIN")
    assert not records.received("event:1")
    with ledger.transaction() as tx:
        assert records.receive(tx, "event:1", migration.id)
        now = tx.now
    assert records.received("event:1")
    records.forget_deliveries(now + timedelta(seconds=1))
    assert not records.received("event:1")


@pytest.fixture
def bare(ledger_url: str) -> Iterator[Ledger]:
    """A ledger without the bot's tables."""
    with Ledger.open(ledger_url) as opened:
        yield opened


def test_a_ledger_of_the_first_version_keeps_its_rows(bare: Ledger, tmp_path: Path) -> None:
    """Messages that are owed and decisions are there after the upgrade; new kinds are taken, and unknown ones still refused."""
    versions = tmp_path / "first" / "versions"
    versions.mkdir(parents=True)
    kept = Path(tables.__file__).parent / "versions" / "0001_first.py"
    (versions / kept.name).write_text(kept.read_text())
    upgrade(bare.engine, versions.parent, VERSION_TABLE)
    at = "'2026-01-01 00:00:00'"
    owed = f"(7, 'M-1', 3, 'root', 'pending', 0, {at}, '')"
    columns = "id, migration_id, event_id, kind, delivery, attempts, created_at, error"
    decided = f"(9, 'M-1', 'U1', 'r', 'approved', 'p', '', {at})"
    with bare.engine.begin() as connection:
        connection.execute(text(f"INSERT INTO bot_outbox ({columns}) VALUES {owed}"))
        connection.execute(text(f"INSERT INTO bot_decision VALUES {decided}"))
    records = BotLedger(bare)
    (message,) = records.pending()
    assert (message.id, message.kind) == (7, Kind.ROOT)
    assert [each.user_id for each in records.decisions("M-1")] == ["U1"]
    with bare.engine.begin() as connection:
        connection.execute(text("UPDATE bot_outbox SET kind = 'freeze'"))
    with pytest.raises(IntegrityError), bare.engine.begin() as connection:
        connection.execute(text("UPDATE bot_outbox SET kind = 'nonsense'"))


def test_of_many_bots_one_gets_the_floor(records: BotLedger) -> None:
    """Whoever read who posts before it changed changes nothing: of bots that take it at once one has it, and keeps its place."""
    assert records.collect(0, 7, [])
    free = records.speaker()
    bots = [f"bot {number}" for number in range(8)]
    with ThreadPoolExecutor(len(bots)) as threads:
        taken = list(threads.map(lambda bot: records.follow(free, bot), bots))
    (speaker,) = [each for each in taken if each is not None]
    assert records.speaker() == speaker
    assert speaker.owner in bots
    assert records.follow(free, "late") is None
    assert records.follow(speaker, "") == records.speaker()
    assert records.place() == 7


def test_what_is_settled_stays_settled(records: BotLedger) -> None:
    """A bot that comes second with the same message moves neither its state nor the place where it stands."""
    records.collect(0, 4, [("M-1", 4, Kind.ROOT)])
    (owed,) = records.pending()
    records.settle(owed, Delivery.SENT, posted=Posted("C1", "1.2"))
    records.settle(owed, Delivery.SENT, posted=Posted("C1", "9.9"))
    records.put_posted("M-1", Kind.ROOT, Posted("C1", "9.9"))
    assert records.posted("M-1") == {Kind.ROOT: Posted("C1", "1.2")}
