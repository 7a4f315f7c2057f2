"""Socket Mode: tickets, envelopes, deadlines, repetitions, refreshes, outages."""

import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as dial

from bot.sandbox import Sandbox

Json = dict[str, Any]
Connect = Callable[[App], Any]
FAILED = '/port failed with the error "dispatch_failed"'


@pytest.fixture
def address(sandbox: Sandbox) -> Callable[[], str]:
    """Gives the address of a new Socket Mode connection."""
    client = WebClient("xapp-sandbox", base_url=sandbox.api_url)
    return lambda: str(client.apps_connections_open(app_token="xapp-sandbox")["url"])


def receive(socket: ClientConnection) -> Json:
    """The next message, within five seconds."""
    message: Json = json.loads(socket.recv(timeout=30))
    return message


def test_hello(address: Callable[[], str], sandbox: Sandbox) -> None:
    """A connection is greeted with hello and the number of connections."""
    with dial(address()) as first, dial(address()) as second:
        assert receive(first)["num_connections"] == 1
        assert receive(second)["num_connections"] == 2
        sandbox.wait_for(lambda: sandbox.connections() == 2)
    sandbox.wait_for(lambda: sandbox.connections() == 0)


def test_ticket_works_once(address: Callable[[], str]) -> None:
    """The address of apps.connections.open lets one connection in."""
    url = address()
    with dial(url), pytest.raises(InvalidStatus):
        dial(url)


def test_envelope_and_acknowledgement(address: Callable[[], str], sandbox: Sandbox) -> None:
    """An envelope has Slack's fields; only an acknowledged one counts as such."""
    with dial(address()) as socket:
        receive(socket)
        sandbox.user("U1").say("C1", "hello")
        envelope = receive(socket)
        assert envelope.keys() == {
            "envelope_id",
            "type",
            "payload",
            "accepts_response_payload",
            "retry_attempt",
            "retry_reason",
        }
        assert (envelope["type"], envelope["payload"]["event"]["text"]) == ("events_api", "hello")
        socket.send(json.dumps({"envelope_id": envelope["envelope_id"]}))
        (entry,) = sandbox.journal.envelopes()
        sandbox.wait_for(lambda: entry.acked)
        assert entry.seconds is not None


@pytest.mark.parametrize("noise", ["ping", "[]", '{"envelope_id": "unknown"}', "{}"])
def test_noise_is_ignored(address: Callable[[], str], sandbox: Sandbox, noise: str) -> None:
    """What is no acknowledgement neither ends the connection nor counts as one."""
    sandbox.timing.ack = 0.2
    with dial(address()) as socket:
        receive(socket)
        socket.send(noise)
        assert sandbox.user("U1").command("/port", channel="C1") is False
        assert sandbox.connections() == 1


def test_command_without_acknowledgement(app: App, connect: Connect, sandbox: Sandbox) -> None:
    """A command that is not acknowledged in time shows Slack's text, and is sent once."""

    @app.command("/port")
    def never() -> None:
        """Acknowledge nothing."""

    connect(app)
    sandbox.timing.ack = 0.2
    ada = sandbox.user("U1")
    assert ada.command("/port", channel="C1") is False
    (shown,) = ada.ephemerals("C1")
    assert (shown["text"], shown["user"]) == (FAILED, "USLACKBOT")
    assert len(sandbox.journal.envelopes("slash_commands")) == 1


def test_late_acknowledgement_is_noted(address: Callable[[], str], sandbox: Sandbox) -> None:
    """An acknowledgement after the deadline changes nothing and stands in the journal as late."""
    sandbox.timing.ack = 0.05
    with dial(address()) as socket:
        receive(socket)
        assert sandbox.user("U1").command("/port", channel="C1") is False
        socket.send(json.dumps({"envelope_id": receive(socket)["envelope_id"]}))
        (entry,) = sandbox.journal.envelopes()
        sandbox.wait_for(lambda: entry.late)
        assert entry.acked is False


def test_command_without_any_connection(sandbox: Sandbox) -> None:
    """Without a connection the command fails at once."""
    sandbox.timing.ack = 60
    ada = sandbox.user("U1")
    assert ada.command("/port", channel="C1") is False
    assert ada.ephemerals("C1")[0]["text"] == FAILED


def test_unknown_command(sandbox: Sandbox) -> None:
    """A command of no app is answered by Slackbot."""
    ada = sandbox.user("U1")
    assert ada.command("/nothing", channel="C1") is False
    assert ada.ephemerals("C1")[0]["text"].startswith("/nothing is not a valid command.")


def test_events_are_repeated_three_times(address: Callable[[], str], sandbox: Sandbox) -> None:
    """An unacknowledged event comes again up to three times, with its number and reason."""
    sandbox.timing.ack = 0.05
    with dial(address()) as socket:
        receive(socket)
        sandbox.user("U1").say("C1", "hello")
        envelopes = [receive(socket) for _ in range(4)]
        assert [e["retry_attempt"] for e in envelopes] == [0, 1, 2, 3]
        assert [e["retry_reason"] for e in envelopes] == ["", "timeout", "timeout", "timeout"]
        assert len({e["payload"]["event_id"] for e in envelopes}) == 1
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.3)


def test_acknowledged_repetition_ends_the_repeating(
    address: Callable[[], str], sandbox: Sandbox
) -> None:
    """After the acknowledgement of a repetition the event does not come again."""
    sandbox.timing.ack = 0.2
    with dial(address()) as socket:
        receive(socket)
        sandbox.user("U1").say("C1", "hello")
        receive(socket)
        sandbox.timing.ack = (
            30  # the repetition may be acknowledged slowly, unless it was sent before this
        )
        again = receive(socket)
        with suppress(TimeoutError):  # it is quiet
            while True:
                socket.send(json.dumps({"envelope_id": again["envelope_id"]}))
                again = json.loads(socket.recv(timeout=0.4))
    *before, last = [entry.acked for entry in sandbox.journal.envelopes()]
    assert before
    assert (any(before), last) == (False, True)


def test_bolt_sees_the_repetition(app: App, connect: Connect, sandbox: Sandbox) -> None:
    """Bolt reads the retry fields of an envelope as Slack's retry headers."""
    seen: list[Any] = []

    @app.event("message")
    def message(request: Any) -> None:
        seen.append(request.headers.get("x-slack-retry-num"))

    connect(app)
    sandbox.user("U1").say("C1", "hello")
    assert sandbox.wait_for(lambda: seen) == [["0"]]


def test_each_payload_goes_to_one_connection(address: Callable[[], str], sandbox: Sandbox) -> None:
    """Two connections share the payloads between them."""
    with dial(address()) as first, dial(address()) as second:
        receive(first), receive(second)
        ada = sandbox.user("U1")
        ada.say("C1", "one")
        ada.say("C1", "two")
        texts = {receive(s)["payload"]["event"]["text"] for s in (first, second)}
        assert texts == {"one", "two"}


def test_duplicated_payload(app: App, connect: Connect, sandbox: Sandbox) -> None:
    """A duplicated payload reaches the app twice with one trigger_id."""
    triggers: list[str] = []

    @app.command("/port")
    def port(ack: Any, body: Json) -> None:
        ack()
        triggers.append(body["trigger_id"])

    connect(app)
    sandbox.duplicate_next_envelope()
    sandbox.user("U1").command("/port", channel="C1")
    sandbox.wait_for(lambda: len(triggers) == 2)
    assert triggers[0] == triggers[1]


def test_eleventh_connection_is_refused(address: Callable[[], str], sandbox: Sandbox) -> None:
    """An app has at most ten connections."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(dial(address())) for _ in range(11)]
        hellos = [receive(socket) for socket in sockets]
        assert [h["type"] for h in hellos] == ["hello"] * 10 + ["disconnect"]
        assert hellos[-1]["reason"] == "too_many_websockets"
        with pytest.raises(ConnectionClosed):
            sockets[-1].recv(timeout=30)
        assert sandbox.connections() == 10


def test_refresh_leaves_the_old_connection_open(
    address: Callable[[], str], sandbox: Sandbox
) -> None:
    """After a refresh the payloads wait for the new connection while the old one stays open."""
    with dial(address()) as old:
        receive(old)
        sandbox.refresh_sockets()
        assert receive(old)["reason"] == "refresh_requested"
        sandbox.user("U1").say("C1", "hello")
        with dial(address()) as new:
            receive(new)
            assert receive(new)["payload"]["event"]["text"] == "hello"
        with pytest.raises(TimeoutError):
            old.recv(timeout=0.2)


def test_refresh_that_closes(address: Callable[[], str], sandbox: Sandbox) -> None:
    """A refresh can end the old connection as well."""
    with dial(address()) as old:
        receive(old)
        sandbox.refresh_sockets(leave_old_open=False)
        assert receive(old)["type"] == "disconnect"
        with pytest.raises(ConnectionClosed):
            old.recv(timeout=30)


@pytest.mark.soak  # this client ends its threads only after seconds; test_story.py has it too
@pytest.mark.parametrize("socket_library", ["builtin"], indirect=True)
def test_bolt_comes_back_after_a_refresh(app: App, connect: Connect, sandbox: Sandbox) -> None:
    """Bolt reconnects by itself and the next command is acknowledged."""
    app.command("/port")(lambda ack: ack())
    connect(app)
    sandbox.timing.ack = 10  # the built-in client reads from a new connection after 3 s
    sandbox.refresh_sockets()
    assert sandbox.user("U1").command("/port", channel="C1")
    assert sandbox.connections() == 1


@pytest.mark.soak  # this client ends its threads only after seconds; test_story.py has it too
@pytest.mark.parametrize("socket_library", ["builtin"], indirect=True)
def test_outage(app: App, connect: Connect, sandbox: Sandbox, client: WebClient) -> None:
    """In an outage calls and sockets fail; after it Bolt is back by itself."""
    app.command("/port")(lambda ack: ack())
    connect(app)
    sandbox.outage()
    with pytest.raises(SlackApiError) as refused:
        client.auth_test()
    assert refused.value.response.status_code == 503
    sandbox.wait_for(lambda: sandbox.connections() == 0)
    assert sandbox.user("U1").command("/port", channel="C1") is False
    sandbox.timing.ack = 10
    sandbox.outage(on=False)
    sandbox.wait_for_app(timeout=30)
    assert sandbox.user("U1").command("/port", channel="C1")
