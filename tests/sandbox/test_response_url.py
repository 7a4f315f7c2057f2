"""response_url: how often, how long, and what it does to the message."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from bot.sandbox import Sandbox

Json = dict[str, Any]
Build = Callable[..., Json]
Connect = Callable[[App], Any]


@pytest.fixture
def respond(commands: list[Json], sandbox: Sandbox) -> WebhookClient:
    """The response_url of a command that ada typed."""
    sandbox.user("U1").command("/port", channel="C1")
    return WebhookClient(commands[0]["response_url"])


def test_response_url_works_five_times(respond: WebhookClient, sandbox: Sandbox) -> None:
    """Five answers are shown; the sixth is used_url."""
    assert [respond.send(text=str(n)).status_code for n in range(5)] == [200] * 5
    sixth = respond.send(text="6")
    assert (sixth.status_code, "used_url" in sixth.body) == (404, True)
    assert len(sandbox.user("U1").ephemerals("C1")) == 5


def test_response_url_expires(respond: WebhookClient, sandbox: Sandbox) -> None:
    """After its life a response_url is expired_url."""
    sandbox.timing.response_url, since = 0.05, time.monotonic()
    sandbox.wait_for(lambda: time.monotonic() - since > 0.1)
    assert "expired_url" in respond.send(text="x").body


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"text": ""}, "no_text"), ({"text": "x", "blocks": [{"type": "bogus"}]}, "invalid_blocks")],
)
def test_response_url_checks_what_it_shows(
    respond: WebhookClient, fields: Json, error: str
) -> None:
    """Limits hold for response_url as for chat.postMessage."""
    answer = respond.send_dict(fields)
    assert (answer.status_code, error in answer.body) == (400, True)


def test_response_in_channel(respond: WebhookClient, sandbox: Sandbox) -> None:
    """response_type in_channel is seen by all."""
    respond.send(text="for all", response_type="in_channel")
    assert [m["text"] for m in sandbox.messages("C1")] == ["for all"]


def test_original_is_replaced_and_deleted(
    app: App, connect: Connect, sandbox: Sandbox, client: WebClient, buttons: Build
) -> None:
    """respond() can replace and delete an ephemeral message, which chat.update cannot."""
    app.action("swap")(lambda ack, respond: (ack(), respond("Swapped.", replace_original=True)))
    app.action("drop")(lambda ack, respond: (ack(), respond(delete_original=True)))
    connect(app)
    ada = sandbox.user("U1")
    for name in ("swap", "drop"):
        client.chat_postEphemeral(channel="C1", user="U1", text="x", blocks=[buttons(name)])
        ada.click(ada.ephemerals("C1")[-1], name)
    sandbox.wait_for(lambda: [m["text"] for m in ada.ephemerals("C1")] == ["Swapped."])


def test_ephemeral_answer_to_a_click(
    app: App, connect: Connect, sandbox: Sandbox, post: Any, buttons: Build
) -> None:
    """respond() to a click answers that person only and leaves the message."""
    app.action("go")(lambda ack, respond: (ack(), respond("Not you.")))
    connect(app)
    sandbox.user("U2").click(post(buttons("go")), "go")
    sandbox.user("U2").wait_for_ephemeral("C1", "Not you.")
    assert sandbox.user("U1").ephemerals("C1") == []
    assert len(sandbox.messages("C1")[0]["blocks"]) == 1


def test_unknown_response_url(sandbox: Sandbox) -> None:
    """An invented response_url is refused."""
    assert WebhookClient(f"{sandbox.url}response/A1/1/x").send(text="x").status_code == 404


def test_channel_chosen_in_a_modal_gets_a_response_url(
    open_form: Callable[[Json], Json], app: App, sandbox: Sandbox, modal: Build, field: Build
) -> None:
    """A select with response_url_enabled lets the app post where the person chose."""

    @app.view("form")
    def submitted(ack: Any, body: Json) -> None:
        ack()
        (chosen,) = body["response_urls"]
        WebhookClient(chosen["response_url"]).send(text="here", response_type="in_channel")

    open_form(modal(field("where", "conversations_select", response_url_enabled=True)))
    ada = sandbox.user("U1")
    ada.fill("where", "G2")
    assert ada.submit() is None
    assert sandbox.wait_for(lambda: sandbox.messages("G2"))[0]["text"] == "here"
