"""What is typed wrongly: one object with --json, no traceback, nothing left behind, no secret kept; on Milvus Lite."""

from pathlib import Path

import grpc
import pytest

import engine
from engine.ledger import Ledger
from engine.lifecycle import EventName
from engine.model import Endpoint, Request, Secrets
from tests.cli.conftest import Shell
from tests.engine.bed import Side
from tests.engine.proxy import Proxy

SECRET = "sekret"  # it must be found nowhere


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("plan", "nobody", "TARGET"), 2, "There is no cluster nobody"),
        (("plan", "SOURCE", "http://127.0.0.1:abc"), 2, "cannot be used"),
        (("migrate", "SOURCE", "http://127.0.0.1:99999"), 2, "cannot be used"),
        (("plan", "SOURCE", "http://[::1"), 2, "cannot be used"),
        (("plan", "text.db", "TARGET"), 2, "is a file"),
        (("verify", "SOURCE", "SOURCE"), 2, "Source and target are the same database"),
        (("show", "M-0000000"), 2, "There is no migration M-0000000"),
        (("cancel", "M-0000000"), 2, "There is no migration M-0000000"),
        (("pause", "M-0000000"), 2, "There is no migration M-0000000"),
        (("resume", "M-0000000"), 2, "There is no migration M-0000000"),
        (("repair", "M-0000000"), 2, "There is no migration M-0000000"),
        (("undo", "M-0000000"), 2, "There is no migration M-0000000"),
        (("throttle", "M-0000000", "5"), 2, "There is no migration M-0000000"),
        (("throttle", "M-0000000", "much"), 2, "is not a throttle"),
        (("migrate", "SOURCE"), 2, "Missing argument"),
        (("migrate", "SOURCE", "TARGET", "--on-conflict", "ask"), 2, "--on-conflict"),
        (("migrate", "SOURCE", "TARGET", "--megabytes-per-second", "inf"), 2, "--megabytes"),
        (("audit", "--csv"), 2, "--csv goes with neither"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_with_json_a_mistake_is_one_object(
    shell: Shell, source: Side, target: Side, arguments: tuple[str, ...], status: int, says: str
) -> None:
    """Whatever is wrong, standard output has one object whose error says what happened, how the data stands and what to do."""
    (shell.folder / "text.db").write_text("hello")
    given = {"SOURCE": source.uri, "TARGET": target.uri}
    ended, failed = shell.object(*(given.get(each, each) for each in arguments))
    assert ended == status
    assert failed["status"] == "FAILED"
    assert says in failed["error"]["message"]
    assert failed["error"]["state"].endswith(".")
    assert failed["error"]["next_step"].endswith(".")


def test_a_ledger_that_is_not_there_is_one_object(shell: Shell) -> None:
    """`ferry jobs --json` of a ledger that cannot be opened says so on standard output."""
    done = shell.run("jobs", "--json", FERRY_DATABASE_URL="sqlite:////no/such/folder/ferry.db")
    assert done.returncode != 0
    assert done.stdout.startswith('{"migration": null, "status": "FAILED"')
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("command", ["plan", "migrate", "verify"])
def test_a_password_in_an_address_is_refused_and_kept_nowhere(
    shell: Shell, source: Side, target: Side, command: str
) -> None:
    """It stands neither in what is printed nor in the ledger, for it is refused before either."""
    address = target.uri.replace("http://", f"http://root:{SECRET}@")
    done = shell.run(command, source.uri, address)
    assert done.returncode == 2
    assert "it contains a password" in done.stderr
    jobs = shell.run("jobs", "--json")
    written = [path.read_bytes() for path in shell.folder.rglob("*") if path.is_file()]
    assert SECRET not in done.stdout + done.stderr + jobs.stdout
    assert not any(SECRET.encode() in each for each in written)


def test_a_link_is_what_it_leads_to(shell: Shell) -> None:
    """A Milvus Lite database and a link to it are one database."""
    (shell.folder / "films.db").mkdir()
    (shell.folder / "link.db").symlink_to("films.db")
    done = shell.run("plan", "films.db", "link.db")
    assert done.returncode == 2
    assert "Source and target are the same database" in done.stderr


@pytest.mark.parametrize("number", ["abc", "0", "-5", "nan", "inf"])
def test_a_setting_that_is_no_number_leaves_nothing_behind(
    shell: Shell, source: Side, target: Side, number: str
) -> None:
    """FERRY_CHUNK_BYTES is looked at before anything is planned or queued."""
    done = shell.run("migrate", source.uri, target.uri, FERRY_CHUNK_BYTES=number)
    assert done.returncode == 2
    assert done.stderr.startswith(f"FERRY_CHUNK_BYTES is “{number}”, which is no number above 0.")
    assert shell.object("jobs") == (0, {"migrations": [], "total": 0})
    assert target.client.list_collections() == []


def test_a_configuration_that_is_no_text(shell: Shell, tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are told as such."""
    (tmp_path / "bin.yml").write_bytes(b"\xff\xfe\x00")
    done = shell.run("jobs", FERRY_CONFIG=str(tmp_path / "bin.yml"))
    assert done.returncode == 2
    assert "cannot be used: it is not text in UTF-8." in done.stderr


def test_a_verification_that_did_not_begin_keeps_the_earlier_findings(
    shell: Shell, source: Side, target: Side
) -> None:
    """The file of --mismatches is replaced by what is found, not by a mistake."""
    listed = shell.folder / "found.jsonl"
    listed.write_text("found before\n")
    to_file = ("--mismatches", str(listed))
    assert shell.run("verify", source.uri, "mistyped.db", *to_file).returncode == 2
    assert listed.read_text() == "found before\n"
    assert shell.run("migrate", source.uri, target.uri).returncode == 0
    assert shell.run("verify", source.uri, target.uri, *to_file).returncode == 0
    assert listed.read_text() == ""


@pytest.mark.parametrize("command", ["plan", "migrate", "verify"])
def test_a_token_that_is_refused_names_where_it_is_given(
    shell: Shell, source: Side, target: Side, command: str
) -> None:
    """Of a bare address the variable is named that holds its token, and that nothing was done is said so."""
    with Proxy(target.uri) as proxy:
        proxy.fail_before("GetVersion", 1, status=grpc.StatusCode.UNAUTHENTICATED)
        done = shell.run(command, source.uri, proxy.uri)
    assert done.returncode == 2
    what, state, todo = done.stderr.splitlines()
    assert what.startswith(f"{proxy.uri} does not accept the credentials")
    assert state == "Nothing was read or written."
    assert (
        todo
        == "Check the token of this address: FERRY_SOURCE_TOKEN or FERRY_TARGET_TOKEN, by its side."
    )


def test_https_where_no_tls_is_spoken(shell: Shell, source: Side, target: Side) -> None:
    """The advice is to look at the address and the certificate, not only whether the cluster runs: it does."""
    said = shell.run("plan", source.uri.replace("http:", "https:"), target.uri).stderr
    assert "Check whether the cluster speaks TLS there and its certificate is trusted here" in said
    assert "http:// is for one without TLS" in said


def test_a_difference_says_what_to_do(shell: Shell, source: Side, target: Side) -> None:
    """A verification of two databases that finds one says that nothing was written, and how it is mended."""
    target.create("crew", key="VARCHAR")
    target.ready()
    done = shell.run("verify", source.uri, target.uri, "--collection", "crew")
    assert done.returncode == 3
    assert "Both sides were only read. `--mismatches FILE` lists all findings" in done.stdout


def test_what_is_not_on_the_target_is_not_to_be_replaced(
    shell: Shell, source: Side, target: Side
) -> None:
    """The advice names each collection by what is the matter with it, leaves proved ones alone, and works as it stands."""
    assert shell.run("migrate", source.uri, target.uri, "--collection", "crew").returncode == 0
    alone = shell.run("verify", source.uri, target.uri)
    assert alone.returncode == 3
    migrate = "`ferry migrate SOURCE TARGET --collection cargo` copies what is not"
    assert migrate in alone.stdout
    assert "replace" not in alone.stdout
    assert shell.object("verify", source.uri, target.uri)[1]["collections"][0]["absent"]
    target.client.delete("crew", ids=['say "3"'])
    both = shell.run("verify", source.uri, target.uri).stdout
    assert migrate in both
    replace = "--on-conflict replace --collection crew"
    assert f"`ferry migrate SOURCE TARGET {replace}` deletes" in both
    for each in (["--collection", "cargo"], replace.split()):
        assert shell.run("migrate", source.uri, target.uri, *each).returncode == 0
    assert shell.run("verify", source.uri, target.uri).returncode == 0


def test_a_refusal_says_with_json_how_the_migration_stands(
    shell: Shell, source: Side, target: Side
) -> None:
    """Whatever is refused of a migration, its id and its state stand beside the error; it can even be undone after that."""
    status, report = shell.object("migrate", source.uri, target.uri, "--collection", "crew")
    assert (status, report["status"]) == (0, "SUCCESSFUL")
    migration = report["migration"]
    target.client.create_alias("crew", "theirs")
    for command in ("resume", "repair", "remigrate", "undo", "throttle", "pause"):
        limit = ("5000",) if command == "throttle" else ()
        status, refused = shell.object(command, migration.lower(), *limit)
        told = (status, refused["status"], refused["migration"], refused["state"])
        assert told == (2, "FAILED", migration, "successful"), command
    target.client.drop_alias("theirs")
    status, undone = shell.object("undo", migration)
    assert (status, undone["state"]) == (0, "undone")
    status, refused = shell.object("resume", migration)
    assert (status, refused["state"]) == (2, "undone")


def test_what_is_there_already_names_the_migration_that_made_it(
    shell: Shell, source: Side, target: Side
) -> None:
    """Asked for once more, also in part, the refusal says which migration made what stands there; not after it was undone."""
    migration = shell.object("migrate", source.uri, target.uri)[1]["migration"]
    for part in ((), ("--collection", "crew")):
        again = shell.run("migrate", source.uri, target.uri, *part)
        assert again.returncode == 2
        assert (
            f"{migration} made a collection of that name there and stands as SUCCESSFUL since 2"
            in again.stderr
        )
        advice = "What it made can be verified again. Or choose another target"
        assert advice in again.stderr
        told = shell.run("plan", source.uri, target.uri, *part).stdout
        assert again.stderr.splitlines()[-1] == told.splitlines()[-1]
        assert (
            advice in shell.object("plan", source.uri, target.uri, *part)[1]["error"]["next_step"]
        )
    assert shell.run("undo", migration).returncode == 0
    assert (
        "it was undone.\nNothing was changed.\nRequest it anew"
        in shell.run("remigrate", migration).stderr
    )
    target.create("crew", key="VARCHAR")
    theirs = shell.run("migrate", source.uri, target.uri, "--collection", "crew")
    assert theirs.returncode == 2
    assert migration not in theirs.stderr


def test_a_plan_stands_without_a_ledger(shell: Shell, source: Side, target: Side) -> None:
    """It makes none to see who made what is in the way; one that cannot be read is told, and takes nothing from the plan."""
    target.create("crew", key="VARCHAR")
    plan = ("plan", source.uri, target.uri)
    refused = shell.run(*plan)
    assert (refused.returncode, refused.stderr) == (2, "")
    assert "In the way:" in refused.stdout
    assert not (shell.folder / "ferry.db").exists()
    (shell.folder / "ferry.db").write_text("this is no ledger")
    told = shell.run(*plan)
    assert (told.returncode, told.stdout) == (2, refused.stdout)
    assert "Who made what is in the way is not known: The ledger's address" in told.stderr
    assert shell.object(*plan)[0] == 2


def test_what_never_began_is_not_said_to_go_on(shell: Shell, source: Side, target: Side) -> None:
    """A request that was canceled before anyone approved it is not offered to be resumed, which would be refused."""
    wanted = Request(
        source=Endpoint(name=source.uri, uri=source.uri),
        target=Endpoint(name=target.uri, uri=target.uri),
    )
    with Ledger.open(f"sqlite:///{shell.folder}/ferry.db") as ledger, ledger.transaction() as act:
        name = act.add_migration(wanted, requester="ada").id
        act.record_plan(name, engine.plan(wanted, Secrets("", "")), "ada")
        act.apply(name, EventName.PLANNED, actor="ada")
    canceled = shell.run("cancel", name)
    assert canceled.stdout == f"{name} is canceled.\n"
    assert shell.run("show", name).stdout.startswith(f"CANCELED  {name}  0 entities\n")
    assert "ferry resume" not in shell.run("show", name).stdout
    assert shell.run("resume", name).returncode == 2
