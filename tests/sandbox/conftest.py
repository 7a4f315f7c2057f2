"""A sandbox workspace and slack-bolt apps that connect to it over real sockets."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler as BuiltinHandler
from slack_bolt.adapter.socket_mode.websocket_client import (
    SocketModeHandler as WebsocketClientHandler,
)
from slack_sdk import WebClient
from slack_sdk.socket_mode.interval_runner import IntervalRunner

from bot.sandbox import Sandbox, Timing, WorkspaceConfig

BOT = "xoxb-sandbox"
END_SECONDS = 30
DESCRIPTION: dict[str, Any] = {
    "team_name": "Harbour",
    "users": [
        {"id": "U1", "name": "ada", "real_name": "Ada Byron", "email": "ada@example.org"},
        {"id": "U2", "name": "ben", "real_name": "Ben Ito", "tz": "Asia/Tokyo"},
        {"id": "U3", "name": "gone", "email": "gone@example.org", "deleted": True},
    ],
    "channels": [
        {"id": "C1", "name": "data", "members": ["U1", "U2", "UBOT"]},
        {"id": "C2", "name": "botless", "members": ["U1"]},
        {"id": "G1", "name": "secret", "is_private": True, "members": ["U1"]},
        {"id": "G2", "name": "inner", "is_private": True, "members": ["U1", "UBOT"]},
    ],
    "usergroups": [{"id": "S1", "handle": "admins", "users": ["U1"]}],
    "apps": [
        {
            "id": "A1",
            "name": "Porter",
            "bot_user": "UBOT",
            "commands": [
                {"command": "/port", "description": "Ports things", "usage_hint": "[what]"},
                {"command": "/who", "should_escape": True},
            ],
            "events": ["app_home_opened", "message.channels", "app_mention"],
        }
    ],
}

Connect = Callable[..., Any]


@pytest.fixture
def description() -> dict[str, Any]:
    """A workspace as plain data."""
    return DESCRIPTION


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A running workspace whose retries come at once, and whose deadlines a busy machine keeps."""
    timing = Timing(ack=30.0, trigger=30.0, event_retries=(0.0, 0.01, 0.01))
    with Sandbox(WorkspaceConfig.model_validate(DESCRIPTION), timing=timing) as running:
        yield running


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    """A running workspace for tests that change nothing in it."""
    with Sandbox(WorkspaceConfig.model_validate(DESCRIPTION)) as running:
        yield running


@pytest.fixture
def asking(shared: Sandbox) -> WebClient:
    """A Web API client for calls that change nothing."""
    return WebClient(BOT, base_url=shared.api_url, retry_handlers=[])


@pytest.fixture
def client(sandbox: Sandbox) -> WebClient:
    """The app's Web API client; never retries by itself."""
    return WebClient(BOT, base_url=sandbox.api_url, retry_handlers=[])


@pytest.fixture
def app(client: WebClient) -> App:
    """A Bolt app without listeners, not yet connected."""
    return App(name="tests", client=client, request_verification_enabled=False)


@pytest.fixture(params=["hurried"])
def socket_library(request: pytest.FixtureRequest) -> str:
    """Which of Bolt's Socket Mode clients is used; hurried is websocket_client, see _hurry."""
    return str(request.param)


@pytest.fixture
def connect(sandbox: Sandbox, socket_library: str) -> Iterator[Connect]:
    """Connects a Bolt app over Socket Mode; everything is closed at the end of the test."""
    kind: Any = BuiltinHandler if socket_library == "builtin" else WebsocketClientHandler
    with ExitStack() as opened:

        def connected(app: App) -> Any:
            before = sandbox.connections()
            web_client = WebClient(base_url=sandbox.api_url)
            # The clients' threads end only after one ping_interval.
            handler = kind(app, "xapp-sandbox", web_client=web_client, ping_interval=1)
            if socket_library == "hurried":
                _hurry(handler.client)
            opened.callback(_close, handler)
            handler.connect()
            sandbox.wait_for(lambda: sandbox.connections() > before, 30, "the connection")
            return handler

        yield connected


def _hurry(client: Any) -> None:
    """Connect at once: the client looks for a new session only twice a second.

    Its monitor, which replaces the first session while it begins, stays off.
    """
    client.current_app_monitor_started = True
    client.current_session_runner.shutdown()
    client.current_session_runner = IntervalRunner(client._run_current_session, 0.02).start()


def _until_closed(client: Any) -> None:
    """Return as soon as the client has noticed; the workspace hears nothing of it, and would look four times a second."""
    pause, deadline = threading.Event(), time.monotonic() + END_SECONDS
    while client.is_connected():
        assert time.monotonic() < deadline, "the client did not notice its end"
        pause.wait(0.005)


def _close(handler: Any) -> None:
    """Close a handler at once: its threads poll for seconds unless something comes in."""
    handler.client.auto_reconnect_enabled = False
    if isinstance(handler, WebsocketClientHandler) and handler.client.is_connected():
        # websocket-client notices a close() from another thread only after ten seconds.
        handler.client.current_session.sock.sock.shutdown(socket.SHUT_RDWR)
        _until_closed(handler.client)
    workers = handler.client.message_workers
    # A listener that never acknowledges is waited for by Bolt for three seconds; the test need not.
    workers.shutdown = partial(workers.shutdown, wait=False)
    closing = threading.Thread(target=handler.close)
    closing.start()
    while closing.is_alive():
        handler.client.enqueue_message("{}")
        closing.join(0.02)


@pytest.fixture
def modal() -> Callable[..., dict[str, Any]]:
    """Builds a modal from blocks."""

    def build(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {
            "type": "modal",
            "callback_id": "form",
            "title": {"type": "plain_text", "text": "A form"},
            "submit": {"type": "plain_text", "text": "Send"},
            "blocks": list(blocks),
            **fields,
        }

    return build


@pytest.fixture
def field() -> Callable[..., dict[str, Any]]:
    """Builds an input block whose block_id is the action_id with "_block" behind it."""

    def build(action_id: str, kind: str = "plain_text_input", **fields: Any) -> dict[str, Any]:
        around = {k: fields.pop(k) for k in ("optional", "dispatch_action") if k in fields}
        return {
            "type": "input",
            "block_id": f"{action_id}_block",
            "label": {"type": "plain_text", "text": action_id},
            "element": {"type": kind, "action_id": action_id, **fields},
            **around,
        }

    return build


@pytest.fixture
def buttons() -> Callable[..., dict[str, Any]]:
    """Builds an actions block with one button per name."""

    def build(*names: str, **fields: Any) -> dict[str, Any]:
        return {
            "type": "actions",
            "block_id": "buttons",
            "elements": [
                {
                    "type": "button",
                    "action_id": name,
                    "text": {"type": "plain_text", "text": name.title()},
                    "value": f"{name}-value",
                    **fields,
                }
                for name in names
            ],
        }

    return build


@pytest.fixture
def open_form(
    app: App, connect: Connect, sandbox: Sandbox
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Lets ada type /port, which opens the given modal; returns the modal that she sees."""

    def open_it(view: dict[str, Any]) -> dict[str, Any]:
        @app.command("/port")
        def port(ack: Any, body: dict[str, Any], client: WebClient) -> None:
            ack()
            client.views_open(trigger_id=body["trigger_id"], view=view)

        connect(app)
        ada = sandbox.user("U1")
        assert ada.command("/port", channel="C1")
        return ada.wait_for_view()

    return open_it


@pytest.fixture
def heard(app: App) -> list[dict[str, Any]]:
    """Collects every payload of block actions that the app gets, and acknowledges them."""
    payloads: list[dict[str, Any]] = []

    @app.action(re.compile(".*"))
    def collect(ack: Any, body: dict[str, Any]) -> None:
        ack()
        payloads.append(body)

    return payloads


@pytest.fixture
def commands(app: App, connect: Connect) -> list[dict[str, Any]]:
    """Collects the payloads of /port and /who of a connected app."""
    payloads: list[dict[str, Any]] = []

    def collect(ack: Any, body: dict[str, Any]) -> None:
        ack()
        payloads.append(body)

    app.command("/port")(collect)
    app.command("/who")(collect)
    connect(app)
    return payloads


@pytest.fixture
def post(client: WebClient) -> Callable[..., str]:
    """Posts blocks into #data and returns the ts."""

    def posted(*blocks: dict[str, Any], **fields: Any) -> str:
        sent = client.chat_postMessage(channel="C1", text="x", blocks=list(blocks), **fields)
        return str(sent["ts"])

    return posted
