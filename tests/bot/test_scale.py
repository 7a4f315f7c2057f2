"""What the bot reads as the number of things grows: a week of notes, plans of megabytes, many migrations."""

import tracemalloc
from collections.abc import Callable

from sqlalchemy import insert

from bot.ledger import BotLedger
from bot.notes import HELD
from bot.sandbox import Sandbox
from bot.sender import Sender, Taken
from engine import heartbeat
from engine.ledger import Ledger
from engine.ledger.tables import EventRow, MigrationRow
from engine.lifecycle import EventName, Status
from engine.model import ChunkRange, Migration, Mismatch, MismatchKind
from tests.beds.counting import rows_read
from tests.bot.telling import OWNER, Telling, run, words

MANY = 10_001
"""More events than what was read of a migration's log once."""
FOUND = 8_000
KEPT_BYTES = 700
"""Of each finding: its line in the file, a few times over; as a record it takes 1,200."""


def test_a_wait_is_told_once_after_a_week_of_notes(
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
    telling: Callable[..., Telling],
) -> None:
    """However many events there are, a wait that is noted again is told once, and what holds a migration is what was noted last."""
    migration = awaiting()
    run(ledger, records, migration, EventName.RELEASE)
    lease = ledger.claim(migration.id, OWNER)
    note = {"migration_id": migration.id, "name": "repaired", "actor": OWNER}
    note |= {"at": ledger.now(), "details": "{}"}
    with ledger._writing() as connection:
        connection.execute(insert(EventRow), [note] * MANY)
    told = telling()
    for _ in range(3):
        ledger.note(lease, heartbeat.WAITING, {"reason": "old does not answer."})
        told.rounds()
    assert sum("It waits. old does not answer." in said for said in words(sandbox)) == 1
    ledger.finish(lease, EventName.RELEASE)
    with ledger.transaction() as act:
        act.note(migration.id, HELD, "ferry", {"why": "It is frozen."})
    assert told.room.cards.card(migration.id).hold == "It is frozen."
    assert told.room.cards.log(ledger.migration(migration.id))[-1].name == HELD


def test_a_migration_is_read_once_for_a_page_of_its_events(
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
    telling: Callable[..., Telling],
) -> None:
    """Many events of one migration that are told together take one look at the migration."""
    migration = awaiting()
    told = telling()
    told.rounds()
    place = records.place()
    run(ledger, records, migration, EventName.RELEASE)
    lease = ledger.claim(migration.id, OWNER)
    for _ in range(20):
        ledger.note(lease, "created", {"collection": "films"})
    assert len(ledger.events(after_id=place)) > 20
    with rows_read(MigrationRow) as read:
        assert told.narrator._collect()
    assert read["MigrationRow"] == 1


def test_rounds_read_no_plans(ledger: Ledger, awaiting: Callable[..., Migration]) -> None:
    """What looks every second at the migrations of a status is told of all of them, without plans; the oldest comes first."""
    waiting = [awaiting().id for _ in range(3)]
    found = ledger.standing(Status.AWAITING_APPROVAL)
    assert [each.id for each in found] == waiting
    assert [each.plan for each in found] == [None] * 3


def test_findings_are_uploaded_without_being_kept(
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
    telling: Callable[..., Telling],
) -> None:
    """The file of all findings is drawn line by line: beside the file itself nothing is held of them all."""
    migration = awaiting()
    assert migration.plan is not None
    name = migration.plan.collections[0].name
    told = telling()
    told.rounds()
    run(ledger, records, migration, EventName.RELEASE)
    lease = ledger.claim(migration.id, OWNER)
    everything = ChunkRange(
        collection=name, partition="p", ordinal=0, lower=None, upper=None, entities=FOUND
    )
    ledger.store_chunks(lease, name, "p", [everything])
    (chunk,) = ledger.chunks(migration.id, name)
    missing = (Mismatch(partition="p", pk=key, kind=MismatchKind.MISSING) for key in range(FOUND))
    ledger.record_verified(lease, chunk.id, missing)
    ledger.finish(lease, EventName.MISMATCH)
    card = told.room.cards.card(migration.id)
    root = told.room.cards.root(migration.id)
    assert root is not None
    sender = Sender(told.room, told.clock.aware, Taken())
    tracemalloc.start()
    try:
        sender._upload_findings(card, root)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < KEPT_BYTES * FOUND
