"""The form: what it offers, what it refuses at its fields, and how it ends."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from socket import create_server
from typing import Any

from slack_bolt import BoltRequest

from bot.listeners.latest import Latest
from bot.sandbox import words_of
from bot.settings import Settings
from bot.views.request_modal import BACK
from engine.lifecycle import Status
from engine.milvus.client import preparing_client
from tests.engine.proxy import Proxy

ADA, GRACE, LINUS, CHANNEL = "U0ADA", "U0GRACE", "U0LINUS", "C0MIGRATE"


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of something that accepts connections and never answers."""
    with closing(create_server(("127.0.0.1", 0))) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def texts(options: dict[str, Any]) -> list[str]:
    """What a list offers."""
    return [option["text"]["text"] for option in options["options"]]


def test_lists_come_from_configuration_and_from_the_live_source(story: Any) -> None:
    """Clusters are the configured ones; databases and collections are asked of the source; typing narrows them down."""
    ada = story.open_form(ADA, source="old")
    assert texts(ada.suggest("ferry_target")) == ["new", "old"]
    assert texts(ada.suggest("ferry_source_database")) == ["default"]
    found = story.sandbox.wait_for(
        lambda: (
            texts(ada.suggest("ferry_collections"))
            == ["articles", "documents", "events", "products"]
        )
    )
    assert found
    assert texts(ada.suggest("ferry_collections", "prod")) == ["products"]


def test_the_only_database_is_filled_in(story: Any) -> None:
    """A source with one database has it chosen, so that a person has less to click."""
    ada = story.open_form(ADA, source="old")
    assert "default" in str((ada.view or {})["values"])


def test_the_targets_warning_stands_in_the_form(story: Any) -> None:
    """Choosing a target shows its warning."""
    ada = story.open_form(ADA, source="old", target="new")
    assert "Freeze the shop first." in words_of(ada.view)


def test_an_empty_form_is_refused_at_its_fields(story: Any) -> None:
    """Slack or Ferry names what is missing; nothing is requested."""
    ada = story.open_form(ADA)
    assert ada.submit()
    assert story.ledger.migrations() == ()


def test_the_same_database_is_refused_at_the_target(story: Any) -> None:
    """Source and target may not be one database."""
    ada = story.open_form(ADA, source="old", target="old", reason="Test")
    errors = ada.submit()
    assert errors is not None
    assert "are the same database" in errors["ferry_target"]


def test_a_new_cluster_needs_a_name_that_is_free(story: Any, world: Settings) -> None:
    """A name that is no file name, or is taken, is refused at its field."""
    assert world.new_clusters is not None
    (world.new_clusters.folder / "taken.db").mkdir()
    ada = story.open_form(
        ADA, source="old", destination="new", new_cluster_name="../x", reason="Test"
    )
    assert "not a name" in (ada.submit() or {})["ferry_new_cluster_name"]
    ada.fill("ferry_new_cluster_name", "taken")
    assert "exists already" in (ada.submit() or {})["ferry_new_cluster_name"]


def test_who_has_no_role_is_refused_at_the_source(story: Any) -> None:
    """Linus may look but not request, and the form says which role it takes."""
    linus = story.open_form(LINUS, source="old", target="new", reason="Test")
    errors = linus.submit()
    assert errors is not None
    assert "Organization Owner or Project Admin" in errors["ferry_source"]
    assert "acme/search" in errors["ferry_source"]
    assert story.ledger.migrations() == ()


def test_a_request_that_nobody_can_approve_is_refused(story: Any, world: Settings) -> None:
    """The only person with a role cannot ask for what nobody could approve, and is told so in the form."""
    story.stop()
    roles = world.roles.model_copy(update={"project_admins": {}})
    story.settings = world.model_copy(update={"roles": roles})
    story.start()
    ada = story.open_form(ADA, source="old", target="new", reason="Test")
    errors = ada.submit()
    assert errors is not None
    assert "Nobody but you could approve" in errors["ferry_source"]
    assert story.ledger.migrations() == ()


def test_an_unreachable_cluster_is_told_in_the_form_and_directly(
    story: Any, world: Settings
) -> None:
    """A target that does not answer ends the request; the form comes back as it was filled in, is mended, and counts again."""
    with closing(create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    clusters = dict(world.clusters)
    clusters["gone"] = clusters["new"].model_copy(update={"uri": f"http://127.0.0.1:{port}"})
    story.restart(clusters=clusters)
    ada = story.open_form(ADA, source="old", target="gone", reason="To nowhere")
    assert ada.submit() is None
    story.sandbox.wait_for(lambda: "FAILED" in words_of(ada.view), 60, "the answer")
    assert "gone" in words_of(ada.view)
    assert "FAILED" in story.told_directly(ADA, "gone")
    ada.click("modal", BACK)
    story.sandbox.wait_for(
        lambda: "To nowhere" in str((ada.view or {}).get("values")), 30, "the form"
    )
    ada.fill("ferry_target", "new")
    story.sandbox.wait_for(lambda: "Freeze" in words_of(ada.view), 30, "the other target")
    assert ada.submit() is None
    asked = story.ledger.migrations()
    assert sorted(each.request.target.name for each in asked) == ["gone", "new"]


def test_a_request_is_recorded_before_the_form_says_so(story: Any) -> None:
    """A bot that ends right after the submission has lost nothing: the next one plans what the form named."""
    ada = story.open_form(ADA, source="old", target="new", reason="Test")
    assert ada.submit() is None
    story.stop()
    (asked,) = story.ledger.migrations()
    assert asked.id in words_of(ada.view)
    story.start()
    story.sandbox.wait_for(lambda: story.sandbox.messages(CHANNEL), 60, "the plan")


def test_a_submission_that_slack_delivers_twice_is_one_request(story: Any) -> None:
    """Both deliveries are answered with the one request that was made; so is a third that comes long after."""
    ada = story.open_form(ADA, source="old", target="new", reason="Test")
    story.sandbox.duplicate_next_envelope()
    assert ada.submit() is None

    def submissions() -> list[Any]:
        sent = story.sandbox.journal.envelopes("interactive")
        return [each for each in sent if each.args.get("type") == "view_submission"]

    story.sandbox.wait_for(
        lambda: [each.acked for each in submissions()] == [True, True], 30, "both answers"
    )
    story.sandbox.wait_for(lambda: story.sandbox.messages(CHANNEL), 60, "the plan")
    first, second = submissions()
    late = story.bot.app.dispatch(BoltRequest(body=first.args, mode="socket_mode"))
    (asked,) = story.ledger.migrations()
    for answer in (str(first.result), str(second.result), late.body):
        assert asked.id in answer
        assert "FAILED" not in answer
    assert "FAILED" not in words_of(ada.view)


def test_roles_that_slack_does_not_tell_in_time_are_said_at_a_field(story: Any) -> None:
    """Nothing is recorded, and the form stays as it was filled in, to be sent again."""
    ada = story.open_form(ADA, source="old", target="new", reason="Test")
    story.restart(pace=story.pace._replace(answer_seconds=0.0))
    errors = ada.submit()
    assert errors is not None
    assert "Press the button again" in errors["ferry_source"]
    assert story.ledger.migrations() == ()


def test_a_silent_source_is_said_in_the_list(story: Any, world: Settings) -> None:
    """A source that takes longer than Slack waits is an option that says so, and choosing it is refused."""
    with silent_server() as uri:
        clusters = dict(world.clusters)
        clusters["silent"] = clusters["old"].model_copy(update={"uri": uri})
        story.restart(clusters=clusters, pace=story.pace._replace(answer_seconds=0.2))
        ada = story.open_form(ADA, source="silent")
        (said,) = texts(ada.suggest("ferry_source_database"))
        assert "did not answer" in said
        assert "did not answer" in words_of(ada.view)
        ada.fill("ferry_source_database", said)
        ada.fill("ferry_target", "new")
        ada.fill("ferry_reason", "Test")
        story.sandbox.wait_for(lambda: "Freeze" in words_of(ada.view))
        errors = ada.submit()
        assert errors is not None
        assert "Choose the database" in " ".join(errors.values())


def test_a_source_that_answers_late_mends_the_form(
    story: Any, world: Settings, filled: str
) -> None:
    """The complaint about a slow source goes, and its database is filled in, as soon as it has answered; typed text stays."""
    with Proxy(filled) as slow:
        gate = slow.hold("GetVersion", 1)
        clusters = dict(world.clusters)
        clusters["slow"] = clusters["old"].model_copy(update={"uri": slow.uri})
        story.restart(clusters=clusters, pace=story.pace._replace(answer_seconds=0.2))
        ada = story.open_form(ADA, source="slow", reason="Typed meanwhile")
        assert "did not answer" in words_of(ada.view)
        gate.open.set()
        mended = story.sandbox.wait_for(
            lambda: "did not answer" not in words_of(ada.view) and ada.view, 30, "the mended form"
        )
        assert "'default'" in str(mended["values"])
        assert "'Typed meanwhile'" in str(mended["values"])


def test_of_two_choices_at_once_the_last_shapes_the_form(story: Any) -> None:
    """Source and target chosen one right after the other: the target's warning stands in the form, whichever was drawn first."""
    ada = story.open_form(ADA)
    ada.fill("ferry_source", "old")
    ada.fill("ferry_target", "new")
    story.sandbox.wait_for(
        lambda: "Freeze the shop first." in words_of(ada.view), 30, "the warning"
    )
    latest = Latest()
    latest.happened("V1", 2.0)
    latest.happened("V1", 1.0)
    assert latest.is_last("V1", 2.0)
    assert not latest.is_last("V1", 1.0)


def test_the_same_request_twice_is_one(story: Any) -> None:
    """What is asked for already and not ended is not asked for again; who is second is told its name and may ask for another."""
    root = story.request()
    grace = story.open_form(GRACE, source="old", target="new", reason="Also")
    assert story.id_of(root) in (grace.submit() or {})["ferry_source"]
    assert len(story.ledger.migrations()) == 1
    grace.fill("ferry_target_database", "second")
    assert grace.submit() is None
    assert len(story.ledger.migrations()) == 2


def test_what_stands_in_the_way_is_told_to_the_requester(story: Any, empty: str) -> None:
    """A target that holds the collection already ends the request with the way out, in a direct message."""
    client = preparing_client(empty)
    try:
        client.create_collection("articles", dimension=4)
    finally:
        client.close()
    ada = story.open_form(ADA, source="old", target="new", reason="Test")
    assert ada.submit() is None
    assert "FAILED" in story.told_directly(ADA, "already holds a collection")
    assert story.sandbox.messages(CHANNEL) == []


def test_a_name_too_long_for_a_list_is_requested_whole(story: Any, empty: str) -> None:
    """A collection whose name Slack cannot hold as an option is chosen by a stand-in and recorded by its name."""
    name = "a" * 200
    client = preparing_client(empty)
    try:
        client.create_collection(name, dimension=4)
    finally:
        client.close()
    ada = story.open_form(ADA, source="new", target="old", reason="Test")
    (offered,) = story.sandbox.wait_for(lambda: texts(ada.suggest("ferry_collections")))
    ada.fill("ferry_collections", [offered])
    assert ada.submit() is None
    (asked,) = story.ledger.migrations()
    assert asked.request.collections == (name,)


def test_an_old_request_expires(story: Any, world: Settings) -> None:
    """A request that nobody decides in time ends, and its thread says so."""
    root = story.request()
    policy = world.policy.model_copy(update={"request_expires_hours": 1e-9})
    story.restart(policy=policy)
    story.wait_for_status(root, Status.EXPIRED)
    story.wait_for_reply(root, "in time")


def test_the_command_explains_itself(story: Any) -> None:
    """`help`, unknown words and `status` are answered to the person alone; `jobs` lists what there is; `cancel` stops it."""
    ada = story.sandbox.user(ADA)
    assert ada.command("/migrate", "help", channel=CHANNEL)
    assert "/migrate jobs" in words_of(ada.wait_for_ephemeral(CHANNEL, "opens the form"))
    assert ada.command("/migrate", "everything <now>", channel=CHANNEL)
    assert "&lt;now&gt;" in words_of(ada.wait_for_ephemeral(CHANNEL, "is not something"))
    root = story.request()
    assert ada.command("/migrate", "jobs", channel=CHANNEL)
    assert "PENDING" in words_of(ada.wait_for_ephemeral(CHANNEL, story.id_of(root)))
    assert ada.command("/migrate", f"status {story.id_of(root).lower()}", channel=CHANNEL)
    ada.wait_for_ephemeral(CHANNEL, "Offline Migration")
    assert ada.command("/migrate", f"cancel {story.id_of(root)}", channel=CHANNEL)
    ada.wait_for_ephemeral(CHANNEL, "was canceled")
    story.wait_for_reply(root, "Canceled by")


def test_the_home_tab_lists_the_jobs(story: Any) -> None:
    """The Home tab shows the migrations and opens the form."""
    root = story.request()
    grace = story.sandbox.user(GRACE)
    grace.open_home()
    story.sandbox.wait_for(lambda: story.id_of(root) in words_of(grace.home), 30, "the job")
    grace.click("home", "ferry_home_new")
    grace.wait_for_view("ferry_request")


def test_a_failure_is_answered_with_a_number(story: Any) -> None:
    """When Slack refuses what a listener does, the person is told a number that the log has too."""
    story.sandbox.fail_next("views.open", "fatal_error")
    ada = story.sandbox.user(ADA)
    assert ada.command("/migrate", channel=CHANNEL)
    told = words_of(ada.wait_for_ephemeral(CHANNEL, "Slack did not take Ferry's answer"))
    assert re.search(r"\(number [0-9a-f]{8}\)", told)


def test_one_connection_is_opened(story: Any) -> None:
    """A running bot holds one socket."""
    assert story.sandbox.connections() == 1
