"""A Slack workspace on this machine: Web API, Socket Mode, modals, a page in the browser.

An unchanged slack-bolt app connects to it. It knows nothing of the bot that uses it.

    from slack_bolt import App
    from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler
    from slack_sdk import WebClient
    from bot.sandbox import Sandbox, WorkspaceConfig

    config = WorkspaceConfig.model_validate({
        "users": [{"id": "U1", "name": "ada"}, {"id": "U2", "name": "ben"}],
        "channels": [{"id": "C1", "name": "data", "members": ["U1", "U2", "UBOT"]}],
        "apps": [{"bot_user": "UBOT", "commands": [{"command": "/hello"}]}],
    })
    with Sandbox(config) as sandbox:  # sandbox.url is the page
        app = App(client=WebClient("xoxb-sandbox", base_url=sandbox.api_url))
        app.command("/hello")(lambda ack, body, client: (ack("Hi"), ...))
        client = WebClient(base_url=sandbox.api_url)  # apps.connections.open must go there too
        handler = SocketModeHandler(app, "xapp-sandbox", web_client=client)
        handler.connect()
        sandbox.wait_for_app()
        ada = sandbox.user("U1")
        assert ada.command("/hello", "world", channel="C1")
        sandbox.wait_for(lambda: ada.ephemerals("C1"))
        print(sandbox.transcript("C1"))
        handler.close()

Acting: `Actor` (click, fill, submit, suggest, open_home). Waiting: `wait_for`, `wait_for_view`.
Looking: `messages`, `thread`, `journal`, `transcript`. Faults: `fail_next`, `outage`,
`refresh_sockets`, `duplicate_next_envelope`, `timing`, `rate_limits`.
"""

from bot.sandbox.actors import Actor
from bot.sandbox.config import (
    AppConfig,
    ChannelConfig,
    CommandConfig,
    Timing,
    UserConfig,
    UsergroupConfig,
    WorkspaceConfig,
)
from bot.sandbox.errors import ActRefusedError
from bot.sandbox.server import Sandbox
from bot.sandbox.snapshot import words_of

__all__ = [
    "ActRefusedError",
    "Actor",
    "AppConfig",
    "ChannelConfig",
    "CommandConfig",
    "Sandbox",
    "Timing",
    "UserConfig",
    "UsergroupConfig",
    "WorkspaceConfig",
    "words_of",
]
