"""The sandbox and an unchanged Bolt app, from the slash command to the last thread message."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient

from bot.sandbox import Sandbox


@pytest.mark.parametrize("socket_library", ["websocket_client", "builtin"], indirect=True)
def test_story(
    app: App,
    connect: Callable[[App], Any],
    sandbox: Sandbox,
    modal: Callable[..., dict[str, Any]],
    field: Callable[..., dict[str, Any]],
    buttons: Callable[..., dict[str, Any]],
) -> None:
    """Command, modal, submission, message with a button, click, update and reply all arrive."""

    @app.command("/port")
    def port(ack: Any, body: dict[str, Any], client: WebClient) -> None:
        ack("One moment.")
        client.views_open(trigger_id=body["trigger_id"], view=modal(field("reason")))

    @app.view("form")
    def submitted(ack: Any, view: dict[str, Any], client: WebClient) -> None:
        reason = view["state"]["values"]["reason_block"]["reason"]["value"]
        if reason == "no":
            ack(response_action="errors", errors={"reason_block": "Say more."})
            return
        ack()
        section = {"type": "section", "text": {"type": "mrkdwn", "text": f"*Why*: {reason}"}}
        blocks = [section, buttons("approve")]
        client.chat_postMessage(channel="C1", text=reason, blocks=blocks)

    @app.action("approve")
    def approve(ack: Any, body: dict[str, Any], client: WebClient) -> None:
        ack()
        ts, who = body["message"]["ts"], body["user"]["id"]
        client.chat_update(channel="C1", ts=ts, text=f"Approved by <@{who}>.")
        client.chat_postMessage(channel="C1", thread_ts=ts, text="It runs.")

    connect(app)
    ada, ben = sandbox.user("U1"), sandbox.user("U2")
    assert ada.command("/port", "now", channel="C1")
    ada.wait_for_view("form")
    assert ada.submit() == {"reason_block": "Please complete this required field."}
    ada.fill("reason", "no")
    assert ada.submit() == {"reason_block": "Say more."}
    ada.fill("reason", "new disks")
    assert ada.submit() is None
    assert ada.view is None
    posted = sandbox.wait_for(lambda: sandbox.messages("C1"))[0]
    assert "[ Approve ]" in sandbox.transcript("C1", posted["ts"])
    assert ben.click(posted["ts"], "approve")
    thread = sandbox.wait_for(lambda: len(t := sandbox.thread("C1", posted["ts"])) > 1 and t)
    assert [m["text"] for m in thread] == ["Approved by <@U2>.", "It runs."]
    assert "@Ben Ito" in sandbox.transcript("C1")
    assert [m["text"] for m in ada.ephemerals("C1")] == ["One moment."]
