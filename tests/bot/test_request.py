"""The form: what it offers, what it refuses at its fields, and how it ends."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from socket import create_server
from typing import Any

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


def test_an_unreachable_cluster_does_not_hang_the_form(story: Any, world: Settings) -> None:
    """A target that does not answer is told in the modal after it was sent, and the form comes back as it was filled in."""
    with closing(create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    clusters = dict(world.clusters)
    clusters["gone"] = clusters["new"].model_copy(update={"uri": f"http://127.0.0.1:{port}"})
    story.restart(clusters=clusters)
    ada = story.open_form(ADA, source="old", target="gone", reason="To nowhere")
    assert ada.submit() is None
    story.sandbox.wait_for(lambda: "FAILED" in words_of(ada.view), 30, "the answer")
    assert "gone" in words_of(ada.view)
    ada.click("modal", BACK)
    story.sandbox.wait_for(
        lambda: "To nowhere" in str((ada.view or {}).get("values")), 30, "the form"
    )
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


def test_a_closed_form_is_answered_in_a_direct_message(story: Any) -> None:
    """Who closes the window while the request is checked is told how it went."""
    ada = story.open_form(ADA, source="old", target="new", reason="Test")
    assert ada.submit() is None
    ada.close()
    story.told_directly(ADA, "Requested as")


def test_the_same_request_twice_is_one(story: Any) -> None:
    """What is asked for already and not ended is not asked for again; the second person is told its name."""
    root = story.request()
    grace = story.open_form(GRACE, source="old", target="new", reason="Also")
    assert grace.submit() is None
    story.sandbox.wait_for(lambda: story.id_of(root) in words_of(grace.view), 30, "the answer")
    assert len(story.ledger.migrations()) == 1


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
    assert "number" in words_of(ada.wait_for_ephemeral(CHANNEL, "Ferry itself failed"))


def test_one_connection_is_opened(story: Any) -> None:
    """A running bot holds one socket."""
    assert story.sandbox.connections() == 1
