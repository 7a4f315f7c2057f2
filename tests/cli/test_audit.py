"""`ferry audit`: the trail as a table, as JSON and as CSV, with filters; and what --check finds, with its exit status."""

import csv
import io
import sqlite3
from contextlib import closing

from engine.ledger import Ledger
from engine.lifecycle import EventName, Status
from engine.model import Endpoint, Request
from tests.cli.conftest import Shell


def fill(shell: Shell) -> str:
    """A ledger with one canceled migration; returns its id."""
    request = Request(
        source=Endpoint(name="old", uri="http://old:1"),
        target=Endpoint(name="new", uri="http://new:1"),
    )
    with Ledger.open(f"sqlite:///{shell.folder / 'ferry.db'}") as ledger:
        with ledger.transaction() as tx:
            migration = tx.add_migration(request, requester="U1", status=Status.QUEUED)
        with ledger.transaction() as tx:
            details = {"role": "Project Admin of acme/search", "reason": "no, [thanks]"}
            tx.apply(migration.id, EventName.CANCEL, actor="U2", details=details)
    return migration.id


def test_the_trail_is_listed_in_three_forms(shell: Shell) -> None:
    """JSON and CSV hold every value; the table what a person needs; filters leave out the rest."""
    migration_id = fill(shell)
    status, listed = shell.object("audit")
    assert status == 0
    assert [(row["act"], row["actor"]) for row in listed["audit"]] == [
        ("requested", "U1"),
        ("cancel", "U2"),
    ]
    _, only = shell.object("audit", "--actor", "U2", "--migration", migration_id.lower())
    assert [row["number"] for row in only["audit"]] == [2]
    assert shell.object("audit", "--until", "2020-01-01")[1] == {"audit": []}
    rows = list(csv.DictReader(io.StringIO(shell.run("audit", "--csv").stdout)))
    assert dict(rows[1].items()) == {name: str(value) for name, value in listed["audit"][1].items()}
    table = shell.run("audit", "--act", "cancel").stdout
    assert "Project Admin of acme/search" in table
    assert migration_id in table
    assert "requested" not in table


def test_a_check_of_the_trail_exits_7_when_a_row_was_changed(shell: Shell) -> None:
    """An untouched trail is said to be so with the last hash, and a changed one is named by its row."""
    fill(shell)
    status, check = shell.object("audit", "--check")
    assert (status, check["rows"], check["problems"]) == (0, 2, [])
    well = shell.run("audit", "--check")
    assert (well.returncode, check["head"] in well.stdout) == (0, True)
    with closing(sqlite3.connect(shell.folder / "ferry.db")) as connection:
        connection.execute("DROP TRIGGER audit_append_only_update")
        connection.execute("UPDATE audit SET actor = 'U9' WHERE number = 1")
        connection.commit()
    assert shell.object("audit", "--check")[0] == 7
    found = shell.run("audit", "--check")
    assert found.returncode == 7
    assert "Row 1 is not as it was written." in found.stderr
