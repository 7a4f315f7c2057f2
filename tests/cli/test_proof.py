"""`ferry repair` and what else proves a migration from the command line, on Milvus Lite."""

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
    status, report = shell.object("repair", damaged)
    assert (status, report["status"]) == (0, "SUCCESSFUL")
    assert report["migration"] == damaged
    assert target.count("cargo") == ENTITIES
    assert shell.run("verify", source.uri, target.uri, "--collection", "cargo").returncode == 0
    refused = shell.run("repair", damaged)
    assert refused.returncode == 2
    assert "It cannot be repaired: it has already ended successfully." in refused.stderr
