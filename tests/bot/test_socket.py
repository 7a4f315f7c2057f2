"""The connection to Slack: one, kept, and found again."""

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from slack_bolt import Ack, App

from bot.envelopes import has_unread
from bot.runtime import running_bot
from bot.sandbox import Sandbox
from bot.settings import Settings
from bot.slack_web import web_client
from bot.socket import Socket
from engine.errors import ConfigurationInvalid

CHANNEL = "C0MIGRATE"


@pytest.fixture
def alone(sandbox: Sandbox, tmp_path: Path) -> Settings:
    """Settings of a bot without clusters."""
    app = sandbox.config.apps[0]
    return Settings.model_validate(
        {
            "database_url": f"sqlite:///{tmp_path}/alone.db",
            "approvals_channel": CHANNEL,
            "slack": {"api_url": sandbox.api_url},
            "slack_bot_token": app.bot_token,
            "slack_app_token": app.app_token,
        }
    )


def test_one_connection_is_open_when_the_bot_runs(sandbox: Sandbox, alone: Settings) -> None:
    """A started bot holds one socket, for which it asked once."""
    with running_bot(alone):
        sandbox.wait_for_app()
        assert sandbox.connections() == 1
        assert len(sandbox.journal.calls("apps.connections.open")) == 1


def test_commands_are_acknowledged_before_any_work(sandbox: Sandbox, alone: Settings) -> None:
    """Of forty commands at once each is acknowledged while no listener comes to do anything, and each is worked on once."""
    worked: list[str] = []
    gate = threading.Event()
    client = web_client(alone)
    app = App(
        name="tests",
        client=client,
        token_verification_enabled=False,
        request_verification_enabled=False,
    )

    @app.command("/migrate")
    def busy(ack: Ack, command: dict[str, str]) -> None:
        gate.wait(30)
        ack()
        worked.append(command["text"])

    token = alone.slack_app_token.get_secret_value()
    with closing(Socket(app, token, web_client(alone, token=""))) as socket:
        socket.open()
        sandbox.wait_for_app()
        ada = sandbox.user("U0ADA")
        texts = [f"number {n}" for n in range(40)]
        with ThreadPoolExecutor(len(texts)) as people:
            typed = people.map(lambda text: ada.command("/migrate", text, channel=CHANNEL), texts)
            assert list(typed) == [True] * len(texts)
        assert worked == []
        gate.set()
        sandbox.wait_for(lambda: sorted(worked) == sorted(texts), what="the work")


def test_a_refreshed_connection_answers_at_once(sandbox: Sandbox, alone: Settings) -> None:
    """When Slack asks for a new connection and leaves the old one open, the next command is answered."""
    with running_bot(alone):
        sandbox.refresh_sockets(leave_old_open=True)
        sandbox.wait_for(lambda: len(sandbox.journal.calls("apps.connections.open")) > 1)
        sandbox.wait_for_app()
        assert sandbox.user("U0ADA").command("/migrate", "help", channel=CHANNEL)


@pytest.mark.parametrize("look_seconds", [30.0, 0.05], ids=["rests", "looks meanwhile"])
def test_a_refresh_asks_for_one_connection(
    sandbox: Sandbox, alone: Settings, monkeypatch: pytest.MonkeyPatch, look_seconds: float
) -> None:
    """Neither the old connection's end nor a look of the watch, while the new one is on its way, makes the bot ask for a third."""
    monkeypatch.setattr("bot.socket.PAUSE_SECONDS_MAX", look_seconds)
    monkeypatch.setattr("bot.socket.PAUSE_SECONDS", 10.0)
    monkeypatch.setattr("bot.socket.LOOK_SECONDS", 0.8)  # so long the new one is not open yet
    with running_bot(alone):
        sandbox.refresh_sockets(leave_old_open=True)
        sandbox.wait_for(lambda: not sandbox.connections(), what="the end of the old connection")
        sandbox.wait_for_app()
        assert sandbox.user("U0ADA").command("/migrate", "help", channel=CHANNEL)
        assert len(sandbox.journal.calls("apps.connections.open")) == 2
        assert sandbox.connections() == 1


def test_the_bot_comes_back_after_an_outage(sandbox: Sandbox, alone: Settings) -> None:
    """While Slack is away the bot asks for a connection a few times only, and it is back soon after."""
    with running_bot(alone):
        sandbox.outage()
        sandbox.wait_for(lambda: not sandbox.connections())
        sandbox.wait_for(lambda: len(sandbox.journal.calls("apps.connections.open")) >= 3, 60)
        sandbox.outage(on=False)
        sandbox.wait_for_app(timeout=90)
        assert sandbox.user("U0ADA").command("/migrate", "help", channel=CHANNEL)
        assert len(sandbox.journal.calls("apps.connections.open")) < 8


def test_a_wrong_app_token_is_told_at_the_start(alone: Settings) -> None:
    """A token that Slack does not accept ends the start with what to do."""
    wrong = Settings.model_validate(alone.model_dump() | {"slack_app_token": "xapp-wrong"})
    with (
        pytest.raises(ConfigurationInvalid, match="does not accept SLACK_APP_TOKEN"),
        running_bot(wrong),
    ):
        pass


def test_a_bot_without_its_tokens_does_not_start(alone: Settings) -> None:
    """What is not set is named before anything is opened."""
    bare = Settings.model_validate(
        alone.model_dump() | {"slack_bot_token": "", "approvals_channel": ""}
    )
    with (
        pytest.raises(ConfigurationInvalid, match=r"SLACK_BOT_TOKEN .*approvals_channel"),
        running_bot(bare),
    ):
        pass


def test_the_service_ends_in_order_on_sigterm(
    sandbox: Sandbox, alone: Settings, tmp_path: Path
) -> None:
    """`ferry serve` connects, ends on SIGTERM with exit code 0, and its log holds no token."""
    config = tmp_path / "ferry.yml"
    config.write_text(
        f"database_url: {alone.database_url}\napprovals_channel: {CHANNEL}\nslack: {{api_url: '{sandbox.api_url}'}}\n"
    )
    bot_token, app_token = (
        alone.slack_bot_token.get_secret_value(),
        alone.slack_app_token.get_secret_value(),
    )
    environment = os.environ | {"SLACK_BOT_TOKEN": bot_token, "SLACK_APP_TOKEN": app_token}
    command = [
        sys.executable,
        "-c",
        "from bot.cli import main; main()",
        "serve",
        "--config",
        str(config),
    ]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            sandbox.wait_for_app(timeout=90)
            process.terminate()
            _, log = process.communicate(timeout=90)
        finally:
            process.kill()
    assert process.returncode == 0
    assert '"event": "stopping"' in log
    assert "Traceback" not in log
    assert bot_token not in log
    assert app_token not in log


def test_a_burst_lasts_while_something_waits_to_be_read() -> None:
    """A connection has unread bytes from their arrival until they are read, and none once it is closed."""
    here, there = socket.socketpair()
    with closing(here), closing(there):
        assert not has_unread(here)
        there.send(b"click")
        assert has_unread(here)
        here.recv(5)
        assert not has_unread(here)
    assert not has_unread(here)
