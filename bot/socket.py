"""The socket to Slack: one connection that is kept, and opened again with growing pauses while Slack is away.

Slack's client reconnects by itself, but its monitor opens a second connection at the start, ends with the first failed attempt, and
asks twice a second for a new address while Slack is away (slack_sdk 3.47; Slack allows about one a minute). So the bot watches over
the connection itself. Nothing is decided here.
"""

import threading
from typing import Any, Final

import structlog
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.socket_mode.interval_runner import IntervalRunner
from slack_sdk.socket_mode.websocket_client import SocketModeClient
from websocket import WebSocketException

from bot.envelopes import Client
from bot.meter import Meter
from engine.errors import ConfigurationInvalid

OPEN_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 1.0
PAUSE_SECONDS_MAX: Final = 30.0
LOOK_SECONDS: Final = 0.05
"""How soon a new session is run; half a second, the SDK's own, would be half a second without Slack."""

_TOKEN_ERRORS: Final = frozenset(
    {"invalid_auth", "not_authed", "not_allowed_token_type", "token_revoked", "account_inactive"}
)

_log = structlog.get_logger(__name__)


class Socket:
    """Keeps one Socket Mode connection.

    Args:
        app: Who gets what comes in.
        app_token: xapp-…
        client: For `apps.connections.open`, at the right address.
        meter: Counts what comes in.
    """

    def __init__(
        self, app: App, app_token: str, client: WebClient, meter: Meter | None = None
    ) -> None:
        self._client = Client(app, app_token, client, meter or Meter())
        self._client.default_auto_reconnect_enabled = False
        self._client.current_app_monitor_started = True  # its part is `_keep`
        _hasten(self._client)
        self._client.on_open_listeners.append(self._opened_now)
        self._client.on_close_listeners.append(self._closed_now)
        self._connections: dict[int, Any] = {}
        self._opened = threading.Event()
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="slack-socket", daemon=True)

    def open(self) -> None:
        """Connect, and keep connected from now on; returns when the socket is open, or while Slack is away.

        Raises:
            ConfigurationInvalid: Slack does not accept the token.
        """
        try:
            self._connect()
        except SlackApiError as error:
            if error.response.get("error") in _TOKEN_ERRORS:
                raise _refused(str(error.response.get("error"))) from error
            _log.warning("socket_not_open", error=_word(error))
        except (SlackClientError, OSError) as error:
            _log.warning("socket_not_open", error=_word(error))
        self._thread.start()

    def is_connected(self) -> bool:
        """Whether Slack's requests come in now."""
        return bool(self._client.is_connected())

    def close(self) -> None:
        """Disconnect; what comes in is handled to its end."""
        self._stopped.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join()
        self._client.close()

    def _keep(self) -> None:
        pause, opening = PAUSE_SECONDS, None
        while not self._stopped.is_set():
            self._changed.wait(pause if not self._client.is_connected() else PAUSE_SECONDS_MAX)
            self._changed.clear()
            if self._stopped.is_set() or self._client.is_connected():
                pause = PAUSE_SECONDS
                continue
            session = self._client.current_session
            if session not in (None, opening):  # just begun: it has a pause's time to open
                opening = session
                continue
            try:
                self._connect()
            except (SlackClientError, OSError) as error:
                pause = min(pause * 2, PAUSE_SECONDS_MAX)
                _log.warning("socket_waits", error=_word(error), seconds=pause)

    def _connect(self) -> None:
        self._opened.clear()
        self._client.connect_to_new_endpoint()
        if not self._opened.wait(OPEN_SECONDS):
            raise TimeoutError(f"the socket did not open within {OPEN_SECONDS:.0f} s")

    def _opened_now(self, session: Any) -> None:
        _log.info("socket_open")
        self._connections[id(session)] = session.sock
        session.close = lambda: _say_goodbye(session)
        self._opened.set()

    def _closed_now(self, session: Any, *_reason: object) -> None:
        # websocket-client keeps the file descriptor when the other side closed first.
        connection = self._connections.pop(id(session), None)
        if connection is not None:
            connection.shutdown()
        # A closed session would be run again every half second, at an address that Slack accepts once. One that the client has
        # replaced is nothing to act on: the new one, perhaps not open yet, would be replaced in its turn.
        if self._client.current_session is session:
            self._client.current_session = None
            self._changed.set()


def _hasten(client: SocketModeClient) -> None:
    slow = client.current_session_runner
    slow.shutdown()  # type: ignore[no-untyped-call]
    client.current_session_runner = IntervalRunner(slow.target, LOOK_SECONDS).start()


def _say_goodbye(session: Any) -> None:
    """End a session from another thread than its own.

    `WebSocketApp.close` closes the file descriptor under the thread that waits for it, which notices only after ten seconds; the
    other side's answer to a closing frame wakes it at once.
    """
    session.keep_running = False
    try:
        session.sock.send_close()
    except (WebSocketException, OSError, AttributeError) as error:
        _log.debug("socket_closed_already", error=_word(error))


def _word(error: Exception) -> str:
    if isinstance(error, SlackApiError):
        return str(error.response.get("error"))
    return f"{type(error).__name__}: {error}"


def _refused(word: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        f"Slack does not accept SLACK_APP_TOKEN ({word}).",
        state="Nothing was started.",
        next_step="Set it to the app's token (xapp-…) with the scope connections:write.",
    )
