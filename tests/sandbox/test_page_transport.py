"""The JSON that the page lives on: state, live pushes, acts."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from slack_bolt import App
from slack_sdk import WebClient
from websockets.sync.client import connect as dial

from bot.sandbox import Sandbox

Json = dict[str, Any]
Act = Callable[..., Json]


@pytest.fixture
def act(sandbox: Sandbox) -> Act:
    """Does something as ada through POST /sandbox/act."""

    def do(kind: str, **fields: Any) -> Json:
        given = {"user": "U1", "type": kind} | fields
        answer: Json = httpx.post(f"{sandbox.url}sandbox/act", json=given).json()
        return answer

    return do


@pytest.fixture
def state(sandbox: Sandbox) -> Callable[..., Json]:
    """What a user sees through GET /sandbox/state."""

    def see(user: str = "U1") -> Json:
        answer: Json = httpx.get(f"{sandbox.url}sandbox/state", params={"user": user}).json()
        return answer

    return see


def test_state(state: Callable[..., Json], client: WebClient) -> None:
    """The snapshot has people, channels, apps with commands and messages as the user sees them."""
    client.chat_postMessage(channel="C1", text="hello")
    seen = state()
    assert seen["team"] == {"name": "Harbour"}
    assert (seen["me"]["id"], seen["me"]["real_name"]) == ("U1", "Ada Byron")
    assert {u["id"]: u["is_bot"] for u in seen["users"]} == {
        "U1": False,
        "U2": False,
        "U3": False,
        "UBOT": True,
        "USLACKBOT": True,
    }
    names = {c["name"]: (c["is_private"], c["is_im"], c["unread"]) for c in seen["channels"]}
    assert names == {
        "data": (False, False, 1),
        "botless": (False, False, 0),
        "secret": (True, False, 0),
        "inner": (True, False, 0),
        "Porter": (True, True, 0),
    }
    (app,) = seen["apps"]
    assert app["commands"][0] == {
        "command": "/port",
        "description": "Ports things",
        "usage_hint": "[what]",
    }
    (message,) = seen["messages"]["C1"]
    assert message["text"] == "hello"
    assert (message["ephemeral"], message["reply_count"], message["files"]) == (False, 0, [])
    assert (seen["modal"], seen["home"], seen["notices"]) == (None, None, [])


def test_unknown_user_has_no_state(sandbox: Sandbox) -> None:
    """Nobody can look as somebody who does not exist."""
    answer = httpx.get(f"{sandbox.url}sandbox/state?user=U9")
    assert answer.status_code == 404


def test_live_pushes_every_change(sandbox: Sandbox, client: WebClient) -> None:
    """The socket sends the whole snapshot at once and again after a change, changes coalesced."""
    sandbox.timing.live_push = 0.2
    with dial(sandbox.url.replace("http", "ws") + "sandbox/live?user=U2") as page:
        assert json.loads(page.recv(timeout=30))["messages"]["C1"] == []
        for n in range(10):
            client.chat_postMessage(channel="C1", text=str(n))
        pushes = 0
        while len(json.loads(page.recv(timeout=30))["messages"]["C1"]) < 10:
            pushes += 1
        assert pushes < 9


def test_writing_and_reading(act: Act, state: Callable[..., Json]) -> None:
    """A person's message appears; reading a channel takes its unread mark away."""
    written = act("message", channel="C1", text="hello")
    act("message", channel="C1", text="reply", thread_ts=written["ts"])
    assert [m["text"] for m in state("U2")["messages"]["C1"]] == ["hello", "reply"]
    unread = {c["id"]: c["unread"] for c in state("U2")["channels"]}
    assert unread["C1"] == 2
    act("read", user="U2", channel="C1")
    assert {c["id"]: c["unread"] for c in state("U2")["channels"]}["C1"] == 0


def test_modal_through_the_page(
    app: App,
    connect: Callable[[App], Any],
    act: Act,
    state: Callable[..., Json],
    sandbox: Sandbox,
    modal: Callable[..., Json],
    field: Callable[..., Json],
) -> None:
    """Command, typing, suggestions, errors, submission and closing work by JSON alone."""
    places = [{"text": {"type": "plain_text", "text": "Harbour"}, "value": "h"}]

    @app.command("/port")
    def port(ack: Any, body: Json, client: WebClient) -> None:
        ack()
        where = field("where", "external_select", min_query_length=0)
        client.views_open(trigger_id=body["trigger_id"], view=modal(field("why"), where))

    app.options("where")(lambda ack: ack(options=places))
    app.view("form")(lambda ack: ack())
    connect(app)
    assert act("command", channel="C1", command="/port", text="") == {"ok": True, "acked": True}
    shown = sandbox.wait_for(lambda: state()["modal"])
    assert (shown["title"], shown["submit"], shown["close"]) == ("A form", "Send", None)
    assert (shown["depth"], shown["busy"], shown["callback_id"]) == (1, False, "form")
    refused = act("submit")
    assert set(refused["errors"]) == {"why_block", "where_block"}
    assert state()["modal"]["errors"] == refused["errors"]
    act("input", block_id="why_block", action_id="why", value="because")
    where = {"container": "view", "block_id": "where_block", "action_id": "where"}
    assert act("suggest", query="", **where)["options"] == places
    act("input", block_id="where_block", action_id="where", value={"value": "h"})
    values = state()["modal"]["values"]
    assert values["where_block"]["where"]["selected_option"] == places[0]
    assert act("submit") == {"ok": True, "errors": {}, "error": None, "closed": True}
    assert state()["modal"] is None
    assert act("close") == {"ok": False, "error": "No modal is open."}


def test_buttons_home_and_notices_through_the_page(
    app: App,
    connect: Callable[[App], Any],
    heard: list[Json],
    act: Act,
    state: Callable[..., Json],
    client: WebClient,
    sandbox: Sandbox,
    buttons: Callable[..., Json],
) -> None:
    """Buttons in messages and in the Home tab are clicked; Slack's notices are dismissed."""
    connect(app)
    ts = client.chat_postMessage(channel="C1", text="x", blocks=[buttons("go")])["ts"]
    client.views_publish(user_id="U1", view={"type": "home", "blocks": [buttons("home")]})
    where = {"container": "message", "channel": "C1", "ts": ts}
    assert act("action", block_id="buttons", action_id="go", value="go-value", **where)["acked"]
    act("home", app_id="A1")
    assert state()["home"]["app_id"] == "A1"
    act("action", container="home", block_id="buttons", action_id="home", value=None)
    sandbox.wait_for(lambda: len(heard) == 2)
    sandbox.timing.ack = 0
    assert act("action", block_id="buttons", action_id="go", value=None, **where)["acked"] is False
    (notice,) = state()["notices"]
    assert notice["level"] == "error"
    act("dismiss", notice_id=notice["id"])
    assert state()["notices"] == []


@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        ("dance", {}, "There is no act dance."),
        ("command", {"user": "U9"}, "There is no active user U9."),
        ("command", {"user": "U3"}, "There is no active user U3."),
        ("command", {"command": "/port"}, "The field 'channel' is missing."),
        ("message", {"channel": "C9", "text": "x"}, "ada is not in the channel C9."),
        ("message", {"channel": "C1", "text": "x", "thread_ts": "1.0"}, "That thread does not"),
        ("submit", {}, "No modal is open."),
        ("home", {"app_id": "A9"}, "There is no Home tab of A9."),
        (
            "action",
            {"container": "message", "channel": "C1", "ts": "1.0", "action_id": "x"},
            "That message does not exist any more.",
        ),
    ],
)
def test_refused_act(act: Act, kind: str, fields: Json, told: str) -> None:
    """An act that Slack's client would not allow is answered with the reason."""
    answer = act(kind, **fields)
    assert answer["ok"] is False
    assert answer["error"].startswith(told)


def test_page_is_served(sandbox: Sandbox) -> None:
    """The page and its files come from the package; nothing outside of it does."""
    index = httpx.get(sandbox.url)
    assert (index.status_code, "html" in index.headers["content-type"]) == (200, True)
    assert httpx.get(f"{sandbox.url}page/main.js").status_code == 200
    assert httpx.get(f"{sandbox.url}page/..%2fserver.py").status_code == 404
