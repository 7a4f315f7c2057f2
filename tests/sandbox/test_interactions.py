"""Commands, buttons, lists and the Home tab: what the app gets and what the person sees."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox import ActRefusedError, Sandbox

Json = dict[str, Any]
Build = Callable[..., Json]
Connect = Callable[[App], Any]


def options(*values: str) -> list[Json]:
    """Options whose label is the value in capitals."""
    return [{"text": {"type": "plain_text", "text": v.upper()}, "value": v} for v in values]


def test_command_payload(commands: list[Json], sandbox: Sandbox) -> None:
    """A slash command carries Slack's fields."""
    sandbox.user("U1").command("/port", "to there", channel="C1")
    (body,) = commands
    told = {k: body[k] for k in ("command", "text", "user_id", "user_name", "channel_id")}
    assert told == {
        "command": "/port",
        "text": "to there",
        "user_id": "U1",
        "user_name": "ada",
        "channel_id": "C1",
    }
    assert (body["channel_name"], body["api_app_id"], body["team_id"]) == (
        "data",
        "A1",
        "T0SANDBOX",
    )
    assert body["response_url"].startswith(sandbox.url)
    assert body["trigger_id"]


@pytest.mark.parametrize(("channel", "name"), [("G2", "privategroup"), ("im", "directmessage")])
def test_command_in_private(
    commands: list[Json], sandbox: Sandbox, channel: str, name: str
) -> None:
    """In private channels and direct messages Slack names the kind instead of the channel."""
    where = sandbox.direct_channel("U1") if channel == "im" else channel
    sandbox.user("U1").command("/port", channel=where)
    assert commands[0]["channel_name"] == name


def test_escaped_command_names_people_and_channels(commands: list[Json], sandbox: Sandbox) -> None:
    """should_escape turns names into references; without it the text stays as typed."""
    ada = sandbox.user("U1")
    ada.command("/who", "@ben in #data or @nobody", channel="C1")
    ada.command("/port", "@ben", channel="C1")
    texts = [body["text"] for body in commands]
    assert texts == ["<@U2|ben> in <#C1|data> or @nobody", "@ben"]


@pytest.mark.parametrize(
    ("ack", "seen_by_ben"),
    [
        ({"text": "Hi"}, 0),
        ({"text": "Hi", "response_type": "in_channel"}, 1),
        ({"text": "", "blocks": [{"type": "divider"}]}, 0),
    ],
)
def test_acknowledgement_with_text(
    app: App, connect: Connect, sandbox: Sandbox, ack: Json, seen_by_ben: int
) -> None:
    """What comes with the acknowledgement of a command is shown, to the person or to all."""
    app.command("/port")(lambda ack: ack(**answer))
    answer = ack
    connect(app)
    sandbox.user("U1").command("/port", channel="C1")
    assert len(sandbox.user("U1").visible_messages("C1")) == 1
    assert len(sandbox.user("U2").visible_messages("C1")) == seen_by_ben


def test_acknowledgement_over_the_limits_stands_in_the_journal(
    app: App, connect: Connect, sandbox: Sandbox
) -> None:
    """Blocks that Slack refuses are not shown and are noted."""
    app.command("/port")(lambda ack: ack(blocks=[{"type": "bogus"}], text="x"))
    connect(app)
    sandbox.user("U1").command("/port", channel="C1")
    assert sandbox.user("U1").ephemerals("C1") == []
    assert [e.error for e in sandbox.journal.refused()] == ["invalid_blocks"]


def test_click_payload(
    app: App,
    connect: Connect,
    heard: list[Json],
    sandbox: Sandbox,
    post: Callable[..., str],
    buttons: Build,
) -> None:
    """A click carries the action, the message, the container, the channel and the person."""
    connect(app)
    root = post(buttons("go"))
    ts = post(buttons("go", style="danger"), thread_ts=root)
    assert sandbox.user("U2").click(ts, "go")
    (body,) = sandbox.wait_for(lambda: heard)
    (action,) = body["actions"]
    assert (action["value"], action["style"], action["block_id"]) == (
        "go-value",
        "danger",
        "buttons",
    )
    assert body["container"] == {
        "type": "message",
        "message_ts": ts,
        "channel_id": "C1",
        "is_ephemeral": False,
        "thread_ts": root,
    }
    assert (body["user"]["id"], body["channel"]["name"]) == ("U2", "data")
    assert (body["message"]["ts"], body["message"]["thread_ts"]) == (ts, root)
    assert body["team"] == {"id": "T0SANDBOX", "domain": "sandbox"}


def test_click_on_an_ephemeral_carries_no_message(
    app: App,
    connect: Connect,
    heard: list[Json],
    sandbox: Sandbox,
    client: WebClient,
    buttons: Build,
) -> None:
    """Slack leaves the message out when it was ephemeral."""
    connect(app)
    ts = client.chat_postEphemeral(channel="C1", user="U1", text="x", blocks=[buttons("go")])
    sandbox.user("U1").click(ts["message_ts"], "go")
    (body,) = sandbox.wait_for(lambda: heard)
    assert "message" not in body
    assert body["container"]["is_ephemeral"]
    with pytest.raises(ActRefusedError):
        sandbox.user("U2").click(ts["message_ts"], "go")


CHOICES: list[tuple[Json, Any, str, Any]] = [
    ({"type": "static_select", "options": options("x")}, "x", "selected_option", options("x")[0]),
    ({"type": "overflow", "options": options("x", "y")}, "Y", "selected_option", options("y")[0]),
    ({"type": "radio_buttons", "options": options("x")}, "x", "selected_option", options("x")[0]),
    ({"type": "checkboxes", "options": options("x")}, ["x"], "selected_options", options("x")),
    ({"type": "datepicker"}, "2026-11-23", "selected_date", "2026-11-23"),
    ({"type": "timepicker"}, "08:30", "selected_time", "08:30"),
    ({"type": "datetimepicker"}, 1_700_000_000, "selected_date_time", 1_700_000_000),
    ({"type": "users_select"}, "U2", "selected_user", "U2"),
]


@pytest.mark.parametrize(("element", "given", "key", "value"), CHOICES)
def test_choice_in_a_message(  # one row of the table
    app: App,
    connect: Connect,
    heard: list[Json],
    sandbox: Sandbox,
    post: Callable[..., str],
    element: Json,
    given: Any,
    key: str,
    value: Any,
) -> None:
    """Choosing in a message sends the choice; it stays in the message's state for that person."""
    connect(app)
    elements = [element | {"action_id": "it"}]
    ts = post({"type": "actions", "block_id": "b", "elements": elements})
    assert sandbox.user("U1").click(ts, "it", given)
    (body,) = sandbox.wait_for(lambda: heard)
    assert body["actions"][0][key] == value
    if element["type"] != "overflow":
        assert body["state"]["values"]["b"]["it"] == {"type": element["type"], key: value}


def test_declined_confirm_dialog_sends_nothing(
    app: App, connect: Connect, heard: list[Json], sandbox: Sandbox, post: Any, buttons: Build
) -> None:
    """A click whose confirm dialog is declined never reaches the app."""
    text = {"type": "plain_text", "text": "Sure?"}
    dialog = {"title": text, "text": text, "confirm": text, "deny": text}
    connect(app)
    ts = post(buttons("drop", confirm=dialog))
    assert sandbox.user("U1").click(ts, "drop", confirm=False) is False
    assert sandbox.journal.envelopes() == []
    assert sandbox.user("U1").click(ts, "drop")
    sandbox.wait_for(lambda: heard)


def test_unacknowledged_click_is_told(
    app: App, connect: Connect, sandbox: Sandbox, post: Any, buttons: Build
) -> None:
    """The person learns that the app did not answer a click, and can dismiss that."""
    app.action("go")(lambda: None)
    connect(app)
    sandbox.timing.ack = 0.2
    ada = sandbox.user("U1")
    assert ada.click(post(buttons("go")), "go") is False
    assert [n["text"] for n in ada.notices] == ["Porter did not respond to your click. Try again?"]
    assert sandbox.user("U2").notices == []


def test_click_on_a_message_that_has_changed(
    app: App,
    connect: Connect,
    heard: list[Json],
    sandbox: Sandbox,
    client: WebClient,
    post: Any,
    buttons: Build,
) -> None:
    """A screen that lags behind can still click a button that is gone by now."""
    connect(app)
    ts = post(buttons("go"))
    (seen,) = sandbox.messages("C1")
    client.chat_update(channel="C1", ts=ts, text="done")
    with pytest.raises(ActRefusedError, match="There is no element go here"):
        sandbox.user("U1").click(ts, "go")
    assert sandbox.user("U1").click(seen, "go")
    assert sandbox.wait_for(lambda: heard)[0]["message"]["text"] == "done"


def test_click_on_a_deleted_message(
    sandbox: Sandbox, client: WebClient, post: Any, buttons: Build
) -> None:
    """A message that was deleted cannot be clicked."""
    ts = post(buttons("go"))
    client.chat_delete(channel="C1", ts=ts)
    with pytest.raises(ActRefusedError):
        sandbox.user("U1").click(ts, "go")


@pytest.mark.parametrize(("user", "channel"), [("U3", "C1"), ("U2", "C2")])
def test_outsiders_cannot_act(sandbox: Sandbox, user: str, channel: str) -> None:
    """People who left, or who are not in the channel, can do nothing there."""
    with pytest.raises(ActRefusedError):
        sandbox.user(user).command("/port", channel=channel)


def test_home_opened(app: App, connect: Connect, sandbox: Sandbox, buttons: Build) -> None:
    """Opening the Home tab tells the app, which publishes; its buttons can be clicked."""
    clicked: list[Json] = []

    @app.event("app_home_opened")
    def home(event: Json, client: WebClient) -> None:
        view = {"type": "home", "blocks": [buttons("refresh")]}
        client.views_publish(user_id=event["user"], view=view)

    @app.action("refresh")
    def refresh(ack: Any, body: Json) -> None:
        ack()
        clicked.append(body)

    connect(app)
    ada = sandbox.user("U1")
    ada.open_home()
    sandbox.wait_for(lambda: (home := ada.home) and home["blocks"])
    assert ada.click("home", "refresh")
    (body,) = sandbox.wait_for(lambda: clicked)
    assert (body["view"]["type"], body["container"]["type"]) == ("home", "view")
    assert "response_url" not in body


def test_mention_reaches_the_app(app: App, connect: Connect, sandbox: Sandbox) -> None:
    """A message that mentions the bot comes as message and as app_mention."""
    heard: list[str] = []
    app.event("message")(lambda event: heard.append(event["type"]))
    app.event("app_mention")(lambda event: heard.append(event["text"]))
    connect(app)
    sandbox.user("U1").say("C1", "<@UBOT> a < b & c")
    sandbox.wait_for(lambda: len(heard) == 2)
    assert set(heard) == {"message", "<@UBOT> a &lt; b &amp; c"}


def test_scheduling_a_view_from_a_click(
    app: App, connect: Connect, sandbox: Sandbox, post: Any, buttons: Build, modal: Build
) -> None:
    """A click's trigger_id opens a modal for the person who clicked."""

    @app.action("go")
    def go(ack: Any, body: Json, client: WebClient) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=modal())
        with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
            client.views_open(trigger_id=body["trigger_id"], view=modal())

    connect(app)
    sandbox.user("U2").click(post(buttons("go")), "go")
    sandbox.user("U2").wait_for_view("form")
    assert sandbox.user("U1").view is None
