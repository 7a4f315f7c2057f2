"""The audit trail: written with the effect, chained, refused to be changed, and checked."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from engine.errors import FerryError
from engine.ledger import AuditFilter, Ledger, TransitionRefused, new_owner
from engine.lifecycle import EventName, Status
from engine.model import Migration

At = Callable[[Status], Migration]

APPENDS = """
import sys
from engine.ledger import Ledger
with Ledger.open(sys.argv[1]) as ledger:
    print("open", flush=True)
    sys.stdin.readline()
    for number in range(25):
        with ledger.transaction() as tx:
            tx.audit("freeze", sys.argv[2], "done", details={"number": number})
print("done", flush=True)
"""


def tamper(ledger: Ledger, *statements: str) -> None:
    """Change the table as its owner can: without the triggers that refuse it."""
    postgresql = ledger.engine.dialect.name == "postgresql"
    drops = (
        ["DROP TRIGGER audit_append_only ON audit"]
        if postgresql
        else ["DROP TRIGGER audit_append_only_update", "DROP TRIGGER audit_append_only_delete"]
    )
    with ledger.engine.begin() as connection:
        for statement in (*drops, *statements):
            connection.execute(text(statement))


@pytest.fixture
def trail(ledger: Ledger, at: At) -> Ledger:
    """A ledger with the trail of one migration from its request to its end."""
    migration = at(Status.AWAITING_APPROVAL)
    with ledger.transaction() as tx:
        details = {"role": "Project Admin of acme/search", "comment": "go"}
        tx.apply(migration.id, EventName.APPROVE, actor="U2", details=details)
    with ledger.transaction() as tx:
        note = {"act": "cancel", "reason": "no_role", "role": ""}
        tx.note(migration.id, "refused", "U3", note, act="cancel", outcome="refused: no_role")
    lease = ledger.claim(migration.id, new_owner())
    ledger.finish(lease, EventName.SUCCEED)
    return ledger


def test_every_change_of_state_is_in_the_trail_with_role_and_plan(trail: Ledger) -> None:
    """From the request to the end: who, in which role, what, about which plan, with which outcome; nothing is wrong with it."""
    rows = list(trail.audit())
    told = [(row.act, row.outcome) for row in rows]
    assert told == [
        ("requested", "planning"),
        ("plan_recorded", "noted"),
        ("planned", "awaiting_approval"),
        ("approve", "queued"),
        ("cancel", "refused: no_role"),
        ("claim", "running"),
        ("succeed", "successful"),
    ]
    approved = rows[3]
    assert (approved.actor, approved.role) == ("U2", "Project Admin of acme/search")
    (migration,) = trail.migrations()
    assert migration.plan is not None
    assert {row.plan_hash for row in rows[1:]} == {migration.plan.hash}
    assert [row.number for row in rows] == list(range(1, 8))
    check = trail.check_audit()
    assert (check.rows, check.head, check.problems) == (7, rows[-1].hash, ())


def test_what_is_rolled_back_is_not_in_the_trail(trail: Ledger) -> None:
    """A row is written with its effect or not at all."""
    (migration,) = trail.migrations()
    with suppress(TransitionRefused), trail.transaction() as tx:
        tx.audit("freeze", "U1", "done")
        tx.apply(migration.id, EventName.APPROVE, actor="U1")
    assert len(list(trail.audit())) == 7
    assert trail.check_audit().problems == ()


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'U9'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_the_trail(trail: Ledger, statement: str) -> None:
    """Rows are appended; to change or delete them is an error of the database."""
    with pytest.raises(DatabaseError, match="append-only"), trail.engine.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["UPDATE audit SET actor = 'U9' WHERE number = 4"], ["Row 4 is not as it was written."]),
        (
            ["UPDATE audit SET details = '{}' WHERE number = 4"],
            ["Row 4 is not as it was written."],
        ),
        (
            ["UPDATE audit SET at = (SELECT at FROM audit WHERE number = 1) WHERE number = 7"],
            [],
        ),
        (["DELETE FROM audit WHERE number = 3"], ["Row 3 is missing."]),
        (["DELETE FROM audit WHERE number IN (3, 4)"], ["Rows 3 to 4 are missing."]),
        (["DELETE FROM audit WHERE number > 5"], ["Rows 6 to 7 are missing."]),
        (["DELETE FROM audit"], ["Rows 1 to 7 are missing."]),
        (
            [
                "UPDATE audit SET number = 90 WHERE number = 3",
                "UPDATE audit SET number = 3 WHERE number = 4",
                "UPDATE audit SET number = 4 WHERE number = 90",
            ],
            [
                *("Row 3 does not follow", "Row 3 is not as", "Row 4 does not follow"),
                *("Row 4 is not as", "Row 5 does not follow"),
            ],
        ),
        (
            ["UPDATE audit SET number = number - 1 WHERE number > 3"],
            None,
        ),
    ],
)
def test_a_changed_removed_or_moved_row_is_found(
    trail: Ledger, clock: SimpleNamespace, statements: list[str], said: list[str] | None
) -> None:
    """Whatever is done to rows behind Ferry's back is named by number; a value that is the same is no change."""
    del clock  # all rows have the same time, so that setting it is no change
    if said is None:
        statements = ["DELETE FROM audit WHERE number = 3", *statements]
    tamper(trail, *statements)
    problems = trail.check_audit().problems
    if said is None:
        assert "Row 3 does not follow the row before it" in problems[0]
    else:
        assert len(problems) == len(said)
        assert all(found.startswith(each) for found, each in zip(problems, said, strict=True))


def test_a_row_that_was_recomputed_breaks_the_chain_behind_it(trail: Ledger) -> None:
    """Whoever changes a row and makes its hash fit is found at the next row, or at the head."""
    from engine.ledger.audit import row_hash  # noqa: PLC0415  # the forger's tool

    for number, said in ((4, "Row 5 does not follow"), (7, "The last row, 7, is not the one")):
        row = next(each for each in trail.audit() if each.number == number)
        forged = row_hash(row.model_dump() | {"actor": "U9"})
        with suppress(DatabaseError):
            tamper(trail)
        with trail.engine.begin() as connection:
            change = text("UPDATE audit SET actor = 'U9', hash = :hash WHERE number = :number")
            connection.execute(change, {"hash": forged, "number": number})
        assert any(found.startswith(said) for found in trail.check_audit().problems)


def test_the_trail_is_filtered(trail: Ledger) -> None:
    """By migration, person, act and time."""
    (migration,) = trail.migrations()
    first = next(trail.audit())
    for wanted, acts in (
        (AuditFilter(actor="U3"), ["cancel"]),
        (AuditFilter(act="approve"), ["approve"]),
        (AuditFilter(migration_id="M-0000000"), []),
        (AuditFilter(until=first.at), []),
        (AuditFilter(since=first.at + timedelta(seconds=1)), []),
    ):
        assert [row.act for row in trail.audit(wanted)] == acts
    wanted = AuditFilter(migration_id=migration.id, since=first.at)
    assert len(list(trail.audit(wanted))) == 7


def test_two_threads_append_one_chain(ledger: Ledger, at: At) -> None:
    """Acts at the same moment follow one another in the trail; each effect has its row."""
    migrations = [at(Status.QUEUED) for _ in range(6)]

    def cancel(migration: Migration, actor: str) -> bool:
        with suppress(FerryError), ledger.transaction() as tx:
            tx.apply(migration.id, EventName.CANCEL, actor=actor)
            return True
        return False

    with ThreadPoolExecutor(4) as threads:
        pairs = itertools.product(migrations, ("U1", "U2"))
        done = list(threads.map(lambda pair: cancel(*pair), pairs))
    assert sum(done) == 6
    assert len(list(ledger.audit(AuditFilter(act="cancel")))) == 6
    assert ledger.check_audit().problems == ()


def test_two_processes_append_one_chain(
    ledger: Ledger, url: str, child: Callable[..., SimpleNamespace]
) -> None:
    """Two processes that write at the same time make one chain without a gap."""
    writers = [child(APPENDS, url, name) for name in ("U1", "U2")]
    assert [writer.line() for writer in writers] == ["open", "open"]
    for writer in writers:
        writer.go()
    assert [writer.line() for writer in writers] == ["done", "done"]
    check = ledger.check_audit()
    assert (check.rows, check.problems) == (50, ())
