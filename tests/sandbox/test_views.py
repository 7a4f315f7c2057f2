"""Views through the Web API: trigger ids, hashes, stacks, what survives an update."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox import Sandbox

Json = dict[str, Any]
Build = Callable[..., Json]


@pytest.fixture
def trigger(app: App, connect: Callable[[App], Any], sandbox: Sandbox) -> Callable[[], str]:
    """Gives the trigger_id of a new slash command."""
    seen: list[str] = []

    @app.command("/port")
    def port(ack: Any, body: Json) -> None:
        seen.append(body["trigger_id"])
        ack()

    connect(app)

    def new() -> str:
        assert sandbox.user("U1").command("/port", channel="C1")
        return seen[-1]

    return new


def test_trigger_works_once(trigger: Callable[[], str], client: WebClient, modal: Build) -> None:
    """A trigger_id opens one modal; used again it is exchanged_trigger_id."""
    trigger_id = trigger()
    assert client.views_open(trigger_id=trigger_id, view=modal())["view"]["id"]
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        client.views_open(trigger_id=trigger_id, view=modal())


def test_trigger_expires(
    trigger: Callable[[], str], client: WebClient, modal: Build, sandbox: Sandbox
) -> None:
    """A trigger_id older than Slack's limit is expired_trigger_id."""
    sandbox.timing.trigger = 0.05
    trigger_id, since = trigger(), time.monotonic()
    sandbox.wait_for(lambda: time.monotonic() - since > 0.1)
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        client.views_open(trigger_id=trigger_id, view=modal())


def test_refused_view_leaves_the_trigger_usable(
    trigger: Callable[[], str], client: WebClient, modal: Build, field: Build
) -> None:
    """A view that Slack refuses uses no trigger_id up."""
    trigger_id = trigger()
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        client.views_open(trigger_id=trigger_id, view=modal(field("a"), submit=None))
    assert client.views_open(trigger_id=trigger_id, view=modal(field("a")))["ok"]


def test_hash_conflict(trigger: Callable[[], str], client: WebClient, modal: Build) -> None:
    """An update with an old hash is refused, with the current one it passes."""
    view = client.views_open(trigger_id=trigger(), view=modal())["view"]
    newer = client.views_update(view_id=view["id"], hash=view["hash"], view=modal())["view"]
    assert newer["hash"] != view["hash"]
    with pytest.raises(SlackApiError, match="hash_conflict"):
        client.views_update(view_id=view["id"], hash=view["hash"], view=modal())
    assert client.views_update(view_id=view["id"], hash=newer["hash"], view=modal())["ok"]


def test_home_hash_conflict(client: WebClient) -> None:
    """views.publish with an old hash is refused."""
    home = {"type": "home", "blocks": []}
    first = client.views_publish(user_id="U1", view=home)["view"]
    client.views_publish(user_id="U1", view=home, hash=first["hash"])
    with pytest.raises(SlackApiError, match="hash_conflict"):
        client.views_publish(user_id="U1", view=home, hash=first["hash"])


def test_three_views_lie_on_each_other(
    trigger: Callable[[], str], client: WebClient, modal: Build, sandbox: Sandbox
) -> None:
    """Two views can be pushed over the first; the next is push_limit_reached."""
    root = client.views_open(trigger_id=trigger(), view=modal())["view"]
    second = client.views_push(trigger_id=trigger(), view=modal(callback_id="two"))["view"]
    client.views_push(trigger_id=trigger(), view=modal(callback_id="three"))
    assert (second["root_view_id"], second["previous_view_id"]) == (root["id"], root["id"])
    with pytest.raises(SlackApiError, match="push_limit_reached"):
        client.views_push(trigger_id=trigger(), view=modal())
    ada = sandbox.user("U1")
    assert ada.wait_for_view("three")["depth"] == 3
    ada.close()
    assert ada.wait_for_view("two")["depth"] == 2


def test_push_needs_an_open_modal(
    trigger: Callable[[], str], client: WebClient, modal: Build
) -> None:
    """views.push without a modal to lie on is refused."""
    with pytest.raises(SlackApiError, match="not_found"):
        client.views_push(trigger_id=trigger(), view=modal())


def test_update_keeps_what_was_typed(
    trigger: Callable[[], str], client: WebClient, modal: Build, field: Build, sandbox: Sandbox
) -> None:
    """What was typed survives views.update where block_id and action_id are the same."""
    view = client.views_open(trigger_id=trigger(), view=modal(field("a"), field("b")))["view"]
    ada = sandbox.user("U1")
    ada.fill("a", "typed a")
    ada.fill("b", "typed b")
    renamed = field("b") | {"block_id": "other"}
    updated = client.views_update(view_id=view["id"], view=modal(field("a"), renamed))["view"]
    values = updated["state"]["values"]
    assert values["a_block"]["a"]["value"] == "typed a"
    assert values["other"]["b"]["value"] is None


def test_update_drops_a_choice_that_is_not_offered_any_more(
    trigger: Callable[[], str], client: WebClient, modal: Build, field: Build, sandbox: Sandbox
) -> None:
    """A chosen option survives an update only while the list offers it."""

    def choose(*values: str) -> Json:
        options = [{"text": {"type": "plain_text", "text": v}, "value": v} for v in values]
        return modal(field("pick", "static_select", options=options))

    view = client.views_open(trigger_id=trigger(), view=choose("x", "y"))["view"]
    sandbox.user("U1").fill("pick", "y")
    kept = client.views_update(view_id=view["id"], view=choose("y", "z"))["view"]["state"]["values"]
    assert kept["pick_block"]["pick"]["selected_option"]["value"] == "y"
    gone = client.views_update(view_id=view["id"], view=choose("z"))["view"]["state"]["values"]
    assert gone["pick_block"]["pick"]["selected_option"] is None


def test_initial_values_are_in_the_state(
    trigger: Callable[[], str], client: WebClient, modal: Build, field: Build
) -> None:
    """A fresh view's state holds the initial values."""
    view = modal(field("when", "datepicker", initial_date="2026-11-23"), field("why"))
    values = client.views_open(trigger_id=trigger(), view=view)["view"]["state"]["values"]
    assert values["when_block"]["when"] == {"type": "datepicker", "selected_date": "2026-11-23"}
    assert values["why_block"]["why"] == {"type": "plain_text_input", "value": None}


def test_external_id_names_a_view(
    trigger: Callable[[], str], client: WebClient, modal: Build, sandbox: Sandbox
) -> None:
    """A view is updated by its external_id, which must not be taken twice."""
    client.views_open(trigger_id=trigger(), view=modal(external_id="mine"))
    titled = modal(external_id="mine", title={"type": "plain_text", "text": "New"})
    client.views_update(external_id="mine", view=titled)
    assert sandbox.user("U1").wait_for_view()["title"] == "New"
    with pytest.raises(SlackApiError, match="duplicate_external_id"):
        client.views_open(trigger_id=trigger(), view=modal(external_id="mine"))


def test_closed_view_is_not_found(
    trigger: Callable[[], str], client: WebClient, modal: Build, sandbox: Sandbox
) -> None:
    """views.update of a modal that the person closed is not_found."""
    view = client.views_open(trigger_id=trigger(), view=modal())["view"]
    sandbox.user("U1").close()
    with pytest.raises(SlackApiError, match="not_found"):
        client.views_update(view_id=view["id"], view=modal())


def test_home_belongs_to_one_person(client: WebClient, sandbox: Sandbox) -> None:
    """views.publish sets the Home tab of the named person only."""
    text = {"type": "section", "text": {"type": "mrkdwn", "text": "Hello Ada"}}
    client.views_publish(user_id="U1", view={"type": "home", "blocks": [text]})
    ada, ben = sandbox.user("U1"), sandbox.user("U2")
    ada.open_home()
    ben.open_home()
    assert ada.home is not None
    assert ada.home["blocks"][0]["text"]["text"] == "Hello Ada"
    assert ben.home is not None
    assert ben.home["blocks"] == []
