"""What comes over the socket: acknowledged as it arrives unless Slack waits for an answer in the acknowledgement, then worked on.

Clicks, commands and events are acknowledged before anything else is done, so that two hundred at once are acknowledged as fast as
they are read; who clicked is answered by the listener in a message. Searches in lists and submitted forms are answered by their
acknowledgement and have threads of their own, here and for their listeners (`lanes.py`), which no other work can keep busy. It
decides nothing.
"""

import json
import select
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from logging import getLogger
from typing import Any, Final

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode.internals import run_bolt_app, send_response
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.socket_mode.websocket_client import SocketModeClient
from websocket import WebSocketException

from bot.lanes import ANSWER_THREADS, is_answered
from bot.meter import Meter

WORK_THREADS: Final = 8
"""What is acknowledged already need not be quick, and fewer threads leave the reader more of the interpreter."""
LULL_SECONDS: Final = 0.01
HELD_SECONDS_MAX: Final = 1.0
"""Work begins when nothing is left to read and nothing was for a lull, at the latest after so long: threads that work take turns
with the one that reads and acknowledges (measured: when a lull alone let them begin, the last of 200 clicks waited 2 s)."""

_log = structlog.get_logger(__name__)


def has_unread(stream: socket.socket) -> bool:
    """Whether more waits on a connection: a quiet moment of a busy machine is not the end of a burst."""
    number = stream.fileno()
    if number < 0:
        return False
    if isinstance(stream, ssl.SSLSocket) and stream.pending():
        return True
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


class Client(SocketModeClient):
    """Slack's client, which hands envelopes on as they are read instead of queueing them behind one another.

    Args:
        app: Who gets the payloads.
        app_token: xapp-…
        web_client: For `apps.connections.open`.
        meter: Counts what comes in.
    """

    def __init__(self, app: App, app_token: str, web_client: WebClient, meter: Meter) -> None:
        self._app = app
        self._meter = meter
        self._answering = ThreadPoolExecutor(ANSWER_THREADS, thread_name_prefix="answering")
        self._working = ThreadPoolExecutor(WORK_THREADS, thread_name_prefix="working")
        self._read_at = 0.0
        super().__init__(
            app_token=app_token, logger=getLogger("slack_socket"), web_client=web_client
        )

    def enqueue_message(self, message: str) -> None:
        """Take what was read: an envelope goes its own way, the rest (hello, disconnect) the SDK's."""
        self._read_at = read_at = time.monotonic()
        envelope = json.loads(message) if message.startswith("{") else {}
        request = SocketModeRequest.from_dict(envelope)
        if request is None:
            super().enqueue_message(message)
        elif is_answered(request.payload):
            self._answering.submit(self._reported, self._answer, request, read_at)
        elif self._acknowledged(request, read_at):
            self._working.submit(self._reported, self._work, request, read_at)

    def close(self) -> None:
        """Disconnect; what was acknowledged is worked on to its end."""
        self.closed = True
        self.message_queue.put(None)  # its reader looks up only once a second
        super().close()
        self._answering.shutdown()
        self._working.shutdown()

    def _acknowledged(self, request: SocketModeRequest, read_at: float) -> bool:
        try:
            self.send_socket_mode_response(SocketModeResponse(request.envelope_id))
        except (WebSocketException, OSError, AttributeError) as error:
            # Slack does not know that it arrived: it repeats an event, and tells a person to click again.
            _log.warning("not_acknowledged", error=f"{type(error).__name__}: {error}")
            self._meter.interaction(request.payload, "unacknowledged")
            return False
        self._meter.acknowledged(request.payload, time.monotonic() - read_at)
        return True

    def _answer(self, request: SocketModeRequest, read_at: float) -> None:
        started = time.time()
        send_response(self, request, run_bolt_app(self._app, request), started)
        self._meter.acknowledged(request.payload, time.monotonic() - read_at)

    def _work(self, request: SocketModeRequest, read_at: float) -> None:
        self._wait_for_a_lull(read_at)
        answer: Any = run_bolt_app(self._app, request)
        if answer.status != 200:  # noqa: PLR2004  # HTTP's word for well
            self._meter.interaction(request.payload, "unheard")
            _log.error("nobody_listens", type=request.payload.get("type"), status=answer.status)

    def _wait_for_a_lull(self, read_at: float) -> None:
        while (now := time.monotonic()) < read_at + HELD_SECONDS_MAX:
            left = self._read_at + LULL_SECONDS - now
            if left <= 0 and not self._has_unread():
                return
            time.sleep(max(left, LULL_SECONDS))

    def _has_unread(self) -> bool:
        connection = getattr(self.current_session, "sock", None)
        stream = getattr(connection, "sock", None)
        return stream is not None and has_unread(stream)

    def _reported(
        self,
        work: Callable[[SocketModeRequest, float], None],
        request: SocketModeRequest,
        read_at: float,
    ) -> None:
        try:
            work(request, read_at)
        except (WebSocketException, SlackClientError, OSError) as error:
            _log.warning("envelope_unanswered", error=f"{type(error).__name__}: {error}")
        except Exception:  # noqa: BLE001  # the outermost frame of these threads: the log says what happened
            _log.exception("envelope_failed")
