"""`ferry repair` and what else proves a migration from the command line, on Milvus Lite."""

import csv
import json
from collections.abc import Iterator

import pytest

from tests.cli.conftest import ENTITIES, Shell
from tests.engine.bed import Side, rows
from tests.engine.proxy import Proxy


@pytest.fixture
def damaged(shell: Shell, source: Side, target: Side) -> Iterator[str]:
    """A migration of `cargo` that ended as MISMATCHED: 3 and 30 are missing, 130 is different, 999 is a stranger."""
    made = {row["id"]: row for row in rows(range(ENTITIES))}
    with Proxy(target.uri) as proxy:
        gate = proxy.hold("LoadCollection", 1)
        command = ("migrate", source.uri, proxy.uri, "--collection", "cargo", "--json")
        with shell.start(*command) as process:
            gate.wait()
            target.client.delete("cargo", ids=[3, 30])
            target.client.upsert("cargo", [made[130] | {"text": "other"}], partition_name="p06")
            target.insert("cargo", rows([999]), "p02")
            gate.open.set()
            out, err = process.communicate(timeout=60)
        assert process.returncode == 3, err
        yield json.loads(out)["migration"]


def test_repair(shell: Shell, source: Side, target: Side, damaged: str) -> None:
    """`ferry repair ID` mends what differs and exits 0; of a migration that succeeded it refuses with 2, and says why."""
    _, shown = shell.object("show", damaged)
    (cargo,) = shown["collections"]
    assert (cargo["missing"], cargo["extra"], cargo["different"]) == (2, 1, 1)
    assert (
        f"`ferry repair {damaged}` mends just these entities" in shell.run("show", damaged).stdout
    )
    status, report = shell.object("repair", damaged)
    assert (status, report["status"]) == (0, "SUCCESSFUL")
    assert report["migration"] == damaged
    assert target.count("cargo") == ENTITIES
    assert shell.run("verify", source.uri, target.uri, "--collection", "cargo").returncode == 0
    refused = shell.run("repair", damaged)
    assert refused.returncode == 2
    assert "It cannot be repaired: it has already ended successfully." in refused.stderr


def test_remigrate(shell: Shell, target: Side, damaged: str) -> None:
    """`ferry remigrate ID` drops what that migration made, plans anew and copies it all; it does so once."""
    target.create("bystander")
    status, report = shell.object("remigrate", damaged)
    assert (status, report["status"], report["entities"]) == (0, "SUCCESSFUL", ENTITIES)
    assert report["migration"] != damaged
    deleted = f"deleted on the target before the copy: cargo, {ENTITIES - 1} entities"
    assert deleted in report["losses"]
    assert sorted(target.client.list_collections()) == ["bystander", "cargo"]
    assert target.count("cargo") == ENTITIES
    _, shown = shell.object("show", damaged)
    assert shown["events"][-1]["details"] == {"as": report["migration"]}
    refused = shell.run("remigrate", damaged)
    assert refused.returncode == 2
    assert f"was migrated again as {report['migration']}" in refused.stderr
    assert "Nothing of" in shell.run("remigrate", report["migration"]).stderr


def test_all_findings_in_a_file(shell: Shell, source: Side, target: Side, damaged: str) -> None:
    """`show` and `verify` list the same findings, as JSON lines and as CSV; a file that cannot be written is refused at once."""
    assert shell.run("show", damaged, "--mismatches", "found.jsonl").returncode == 0
    lines = [json.loads(line) for line in (shell.folder / "found.jsonl").read_text().splitlines()]
    found = {(each["pk"], each["kind"], tuple(each["fields"])) for each in lines}
    assert found == {
        (3, "missing", ()),
        (30, "missing", ()),
        (130, "different", ("text",)),
        (999, "extra", ()),
    }
    assert {each["collection"] for each in lines} == {"cargo"}
    verify = ("verify", source.uri, target.uri, "--collection", "cargo", "--mismatches")
    status, report = shell.object(*verify, "found.csv")
    assert (status, report["collections"][0]["same"]) == (3, ENTITIES - 3)
    rows_ = list(csv.DictReader((shell.folder / "found.csv").read_text().splitlines()))
    assert {
        (json.loads(r["pk"]), r["kind"], tuple(json.loads(r["fields"]))) for r in rows_
    } == found
    refused = shell.run(*verify, "no/such/folder/found.csv")
    assert refused.returncode == 2
    assert "found.csv cannot be written: No such file or directory." in refused.stderr
