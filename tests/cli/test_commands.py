"""`ferry plan | migrate | verify | jobs | show | cancel | resume` as processes: what they print, and with what status they exit."""

import json
import signal
from pathlib import Path

import pytest

from bot.demo.clusters import free_ports
from engine.ledger import Ledger
from engine.lifecycle import Status
from engine.model import Endpoint, Request
from tests.cli.conftest import ENTITIES, PARTITIONS, Shell
from tests.engine.bed import Side, rows, until
from tests.engine.proxy import Proxy

REPORT = [
    "migration",
    "status",
    "state",
    "seconds",
    "entities",
    "bytes",
    "entities_per_second",
    "collections",
    "losses",
    "error",
]
COLLECTION = [
    "name",
    "source_entities",
    "target_entities",
    "verified",
    "missing",
    "extra",
    "different",
    "same",
    "errors",
    "source_checked",
    "source_ranges",
    "examples",
    "searches",
    "notes",
    "absent",
]


def test_a_migration_from_plan_to_verification(shell: Shell, source: Side, target: Side) -> None:
    """Plan, migrate, a second migrate, verify, jobs and show tell one consistent story, in the shape of the design."""
    status, plan = shell.object("plan", source.uri, target.uri)
    assert status == 0
    assert {each["name"]: each["entities"] for each in plan["collections"]} == {
        "cargo": ENTITIES,
        "crew": 30,
    }
    assert len(plan["hash"]) == 64
    assert target.client.list_collections() == []

    done = shell.process("migrate", source.uri, target.uri, "--json")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert list(report) == REPORT
    assert report["status"] == "SUCCESSFUL"
    assert report["error"] is None
    assert report["entities"] == ENTITIES + 30
    assert report["entities_per_second"] > 0
    for each in report["collections"]:
        assert list(each) == COLLECTION
        assert each["verified"]
        assert each["source_entities"] == each["target_entities"]

    status, again = shell.object("migrate", source.uri, target.uri)
    assert (status, again["status"]) == (2, "FAILED")
    assert list(again["error"]) == ["code", "message", "state", "next_step"]
    assert "already holds a collection “cargo”" in again["error"]["message"]
    assert target.count("cargo") == ENTITIES

    status, found = shell.object("verify", source.uri, target.uri)
    assert (status, found["status"], found["migration"]) == (0, "SUCCESSFUL", None)

    status, listed = shell.object("jobs")
    assert status == 0
    assert [each["id"] for each in listed["migrations"]] == [report["migration"]]

    status, shown = shell.object("show", report["migration"].lower())
    assert status == 0
    assert {name: shown[name] for name in REPORT} == report
    names = [event["name"] for event in shown["events"]]
    assert (names[0], names[-1]) == ("requested", "succeed")


def test_differences_exit_with_three(shell: Shell, source: Side, target: Side) -> None:
    """A deleted and a changed entity are named with partition, key, kind and fields, and the status says mismatch."""
    assert shell.run("migrate", source.uri, target.uri, "--collection", "crew").returncode == 0
    target.client.delete("crew", ids=['say "3"'])
    (row,) = target.client.get("crew", ids=['say "7"'])
    target.client.upsert("crew", [dict(row) | {"text": "changed"}])
    status, found = shell.object("verify", source.uri, target.uri, "--collection", "crew")
    assert (status, found["status"]) == (3, "MISMATCHED")
    (crew,) = found["collections"]
    assert (crew["missing"], crew["extra"], crew["different"]) == (1, 0, 1)
    examples = sorted(crew["examples"], key=lambda each: str(each["pk"]))
    partition = examples[0]["partition"]
    assert examples == [
        {"partition": partition, "pk": 'say "3"', "kind": "missing", "fields": [], "reason": None},
        {
            "partition": partition,
            "pk": 'say "7"',
            "kind": "different",
            "fields": ["text"],
            "reason": None,
        },
    ]
    told = shell.run("verify", source.uri, target.uri, "--collection", "crew")
    assert told.returncode == 3
    assert "* crew: 'say \"7\"' is different (text)" in told.stdout


def test_a_new_file_as_target(shell: Shell, source: Side) -> None:
    """A path that ends in .db becomes a new Milvus Lite, in the folder of the command; a plan does not make it."""
    assert shell.run("plan", source.uri, "new.db").returncode == 0
    assert not (shell.folder / "new.db").exists()
    done = shell.process("migrate", source.uri, "new.db")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SUCCESSFUL")
    assert (shell.folder / "new.db").exists()
    status, report = shell.object("verify", source.uri, str(shell.folder / "new.db"))
    assert (status, report["status"]) == (0, "SUCCESSFUL")


def test_ctrl_c_cancels_and_the_same_command_continues(
    shell: Shell, source: Side, target: Side
) -> None:
    """SIGINT in the middle ends as CANCELED with exit 6; the same command again goes on from there and succeeds."""
    with Proxy(target.uri) as proxy:
        command = ("migrate", source.uri, proxy.uri, "--collection", "cargo", "--json")
        gate = proxy.hold("Insert", 4)
        with shell.start(*command) as process:
            gate.wait()
            process.send_signal(signal.SIGINT)
            with Ledger.open(f"sqlite:///{shell.folder}/ferry.db") as ledger:
                (migration,) = ledger.migrations()
                _until_canceling(ledger, migration.id)
            gate.open.set()
            out, err = process.communicate(timeout=60)
        assert process.returncode == 6, err
        report = json.loads(out)
        assert (report["status"], report["error"]) == ("CANCELED", None)
        assert 0 < report["entities"] < ENTITIES
        status, shown = shell.object("show", report["migration"])
        assert (status, shown["status"]) == (0, "CANCELED")
        done = shell.run(*command)
        assert done.returncode == 0, done.stderr
        ended = json.loads(done.stdout)
        assert (ended["migration"], ended["status"]) == (report["migration"], "SUCCESSFUL")
        assert proxy.calls["Insert"] <= PARTITIONS
    assert target.count("cargo") == ENTITIES


def test_cancel_from_another_terminal_and_resume(shell: Shell, source: Side, target: Side) -> None:
    """`ferry cancel` stops a running migration, a second cancel says that it is over, `ferry resume` ends it well."""
    with Proxy(target.uri) as proxy:
        gate = proxy.hold("Insert", 4)
        with shell.start("migrate", source.uri, proxy.uri, "--json") as process:
            gate.wait()
            (job,) = shell.object("jobs")[1]["migrations"]
            migration = job["id"]
            told = shell.run("cancel", migration)
            assert told.stdout == f"{migration} stops after the chunks under way.\n"
            gate.open.set()
            out, _ = process.communicate(timeout=60)
        assert (process.returncode, json.loads(out)["status"]) == (6, "CANCELED")
        again = shell.run("cancel", migration)
        assert again.returncode == 2
        assert "it was canceled" in again.stderr
        status, report = shell.object("resume", migration)
        assert (status, report["status"]) == (0, "SUCCESSFUL")
        over = shell.run("resume", migration)
        assert over.returncode == 2
        assert "It cannot be resumed: it has already ended successfully." in over.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_hands_back_to_the_queue(
    shell: Shell, source: Side, target: Side, number: signal.Signals
) -> None:
    """SIGTERM, and a terminal that goes away, end with exit 5: nothing failed, and the same command continues."""
    with Proxy(target.uri) as proxy:
        gate = proxy.hold("Insert", 3)
        command = ("migrate", source.uri, proxy.uri)
        with shell.start(*command) as process:
            gate.wait()
            process.send_signal(number)
            gate.open.set()
            out, err = process.communicate(timeout=60)
        assert process.returncode == 5, err
        assert "rror" not in err
        assert out.startswith("PENDING")
        assert "It waits in the queue" in out.splitlines()[-1]
        assert "`ferry resume M-" in out.splitlines()[-1]
        assert shell.run(*command).returncode == 0


def test_replacing_after_a_refusal(shell: Shell, source: Side, target: Side) -> None:
    """What the refusal advises works: --on-conflict replace drops what stands there and migrates, and the plan said so before."""
    target.create("crew")
    target.insert("crew", rows(range(2)))
    command = ("migrate", source.uri, target.uri, "--collection", "crew")
    refused = shell.run(*command)
    assert refused.returncode == 2
    assert "--on-conflict replace" in refused.stderr
    assert target.count("crew") == 2
    plan = ("plan", *command[1:], "--on-conflict", "replace")
    assert "Will be DELETED on the target:\n  · crew, 2 entities" in shell.run(*plan).stdout
    status, planned = shell.object(*plan)
    (crew,) = planned["collections"]
    assert (status, crew["replaces"]["entities"], crew["replaces"]["exact"]) == (0, 2, True)
    assert target.count("crew") == 2
    status, report = shell.object(*command, "--on-conflict", "replace")
    assert (status, report["status"]) == (0, "SUCCESSFUL")
    assert "deleted on the target before the copy: crew, 2 entities" in report["losses"]
    assert target.count("crew") == 30


@pytest.mark.parametrize("first", ["fail", "replace"])
def test_replacing_after_a_failure_plans_anew(
    shell: Shell, source: Side, target: Side, first: str
) -> None:
    """A migration that met a stranger's collection is not stuck: --on-conflict replace plans anew and says what is deleted."""
    command = ("migrate", source.uri, "--collection", "crew", "--json")
    begun = (*command[2:], "--on-conflict", first)
    with Proxy(target.uri) as proxy:
        gate = proxy.hold("GetVersion", 2)  # the plan is made, the run begins
        with shell.start(command[0], command[1], proxy.uri, *begun) as process:
            gate.wait()
            target.create("crew")
            target.insert("crew", rows(range(2)))
            gate.open.set()
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 2
        assert json.loads(out)["error"]["code"] == "E-TARGET-NOT-EMPTY"
        again = shell.run(command[0], command[1], proxy.uri, *command[2:])
        assert again.returncode == 2
        done = shell.run(
            command[0], command[1], proxy.uri, *command[2:], "--on-conflict", "replace"
        )
    assert done.returncode == 0, done.stdout
    assert f"Will be DELETED on {proxy.uri}/default: crew, 2 entities" in done.stderr
    assert target.count("crew") == 30


@pytest.mark.parametrize("command", ["plan", "migrate", "verify"])
def test_a_server_that_is_not_there(shell: Shell, source: Side, command: str) -> None:
    """An address at which nothing answers exits 5 with three sentences, and leaves nothing unfinished behind."""
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    done = shell.run(command, source.uri, nowhere)
    assert done.returncode == 5
    assert done.stdout == ""
    what, state, todo = done.stderr.splitlines()[-3:]
    assert what.startswith(f"{nowhere} did not answer")
    assert state == "Nothing was read or written."
    assert "try again" in todo


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("migrate", "nobody", "nothing.db"), "There is no cluster nobody in the configuration"),
        (("plan", "SOURCE", "SOURCE"), "Source and target are the same database"),
        (("plan", "SOURCE", "no/such/folder/x.db"), "does not exist"),
        (("plan", "SOURCE", "new.db", "--collection", "ghost"), "There is no collection “ghost”"),
        (("verify", "SOURCE", "TARGET", "--collection", "ghost"), "There is no collection “ghost”"),
        (("verify", "SOURCE", "mistyped.db"), "/mistyped.db” does not exist"),
        (("verify", "mistyped.db", "TARGET"), "/mistyped.db” does not exist"),
        (("plan", "mistyped.db", "TARGET"), "/mistyped.db” does not exist"),
        (("migrate", "mistyped.db", "TARGET"), "/mistyped.db” does not exist"),
        (("show", "M-0000000"), "There is no migration M-0000000"),
        (("cancel", "M-0000000"), "There is no migration M-0000000"),
        (("resume", "M-0000000"), "There is no migration M-0000000"),
    ],
)
def test_a_mistake_is_three_sentences(
    shell: Shell, source: Side, target: Side, arguments: tuple[str, ...], says: str
) -> None:
    """What the user can mend exits 2: what happened, in what state the data is, what to do now; and no traceback."""
    given = {"SOURCE": source.uri, "TARGET": target.uri}
    done = shell.run(*(given.get(each, each) for each in arguments))
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert says in lines[0]
    assert len(lines) == 3
    assert all(line.endswith(".") for line in lines)
    assert not (shell.folder / "mistyped.db").exists()


def test_jobs_without_any(shell: Shell) -> None:
    """In a new folder there are no migrations, and the ledger is made where the default says."""
    assert shell.object("jobs") == (0, {"migrations": [], "total": 0})
    assert (shell.folder / "ferry.db").exists()


def test_jobs_says_that_there_are_more(shell: Shell) -> None:
    """Where not all migrations are listed, that is said, with the command that lists them."""
    wanted = Request(source=Endpoint(name="a", uri="a"), target=Endpoint(name="b", uri="b"))
    with Ledger.open(f"sqlite:///{shell.folder}/ferry.db") as ledger, ledger.transaction() as act:
        names = [act.add_migration(wanted, requester="ada").id for _ in range(51)]
    listed = shell.run("jobs")
    assert names[0] not in listed.stdout
    assert names[1] in listed.stdout
    assert listed.stderr == "The newest 50 of 51; `ferry jobs --limit 51` lists all.\n"
    everything = shell.run("jobs", "--limit", "51")
    assert (names[0] in everything.stdout, everything.stderr) == (True, "")
    _, told = shell.object("jobs")
    assert (len(told["migrations"]), told["total"]) == (50, 51)


def test_the_ledger_can_be_elsewhere(shell: Shell, tmp_path: Path) -> None:
    """FERRY_DATABASE_URL says where the ledger is."""
    elsewhere = tmp_path / "elsewhere.db"
    assert shell.run("jobs", FERRY_DATABASE_URL=f"sqlite:///{elsewhere}").returncode == 0
    assert elsewhere.exists()
    assert not (shell.folder / "ferry.db").exists()


def test_help_names_every_command(shell: Shell) -> None:
    """`ferry` and `ferry --help` list the commands of the design, each with a sentence."""
    told = shell.process("--help")
    assert told.returncode == 0
    for command in (
        "demo",
        "serve",
        "plan",
        "migrate",
        "verify",
        "jobs",
        "show",
        "cancel",
        "repair",
        "remigrate",
        "repair",
    ):
        assert f" {command} " in told.stdout
    assert "resume" in told.stdout
    assert "doctor" in told.stdout
    assert "7 a person must look" in told.stdout
    migrate = shell.run("migrate", "--help")
    for option in ("--database", "--collection", "--on-conflict", "--json"):
        assert option in migrate.stdout
    assert shell.run("migrate").returncode == 2


def test_a_dead_process_is_taken_over(shell: Shell, source: Side, target: Side) -> None:
    """After SIGKILL the same command takes the migration over at once and ends it."""
    with Proxy(target.uri) as proxy:
        gate = proxy.hold("Insert", 4)
        command = ("migrate", source.uri, proxy.uri, "--collection", "cargo", "--json")
        with shell.start(*command, FERRY_LEASE_SECONDS="4") as process:
            gate.wait()
            process.kill()
            process.communicate()
        gate.open.set()
        proxy.drained()
        with Ledger.open(f"sqlite:///{shell.folder}/ferry.db") as ledger:
            (migration,) = ledger.migrations()
        assert migration.status is Status.RUNNING
        done = shell.run(*command)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["migration"] == migration.id
    assert target.count("cargo") == ENTITIES


def _until_canceling(ledger: Ledger, migration_id: str) -> None:
    until(lambda: ledger.migration(migration_id).cancel_requested_at is not None)
