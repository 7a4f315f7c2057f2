"""The bot's own HTTP server: Slack's requests (when it comes over HTTP), and whether the bot lives and is ready.

    POST /slack/events   everything that Slack sends: commands, clicks, lists, events; signed, of the last five minutes, each once
    GET  /healthz        200 while the bot's threads live; 503 with what is dead: restart it
    GET  /readyz         200 while it can do its work; 503 with what is missing: send nothing, wait
    GET  /metrics        what Prometheus reads: `metrics.py`

It decides nothing: what Slack sends goes to the same Bolt app as over Socket Mode.
"""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import parse_qs

import structlog
import uvicorn
from anyio import CapacityLimiter, to_thread
from slack_bolt import App
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.meter import Meter
from bot.metrics import Exposition
from engine.errors import ConfigurationInvalid

EVENTS_PATH: Final = "/slack/events"
REPLAY_SECONDS: Final = 300.0
"""Older requests are refused for their age (docs.slack.dev, "Verifying requests from Slack")."""
SAME_LIST_SECONDS: Final = 2.0
"""A signature's clock counts whole seconds, and Slack's may be a little ahead."""
BODY_BYTES_MAX: Final = 1 << 20
"""Far above what Slack sends; nobody else shall fill the memory."""
THREADS: Final = 64
"""Requests that wait for their listener at a time."""
START_SECONDS: Final = 10.0
_TIMESTAMP: Final = re.compile("[0-9]{1,12}")

Checks: TypeAlias = Mapping[str, Callable[[], bool]]

_log = structlog.get_logger(__name__)


class Seen:
    """The signatures of the last five minutes, so that a request that someone recorded is not taken a second time.

    Slack's own repetitions are signed anew. Each process remembers for itself; what a request changes in the ledger counts once
    whichever process gets it (`bot/ledger`, inbox).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._guard = threading.Lock()

    def is_new(self, signature: str) -> bool:
        """Whether it comes for the first time; it is remembered."""
        with self._guard:
            now = self._clock()
            # Insertion order is the order of expiry.
            for old in [each for each, until in self._until.items() if until <= now]:
                del self._until[old]
            if signature in self._until:
                return False
            # A request may be signed up to five minutes ahead of this clock, and stays valid five minutes after.
            self._until[signature] = now + 2 * REPLAY_SECONDS
            return True


class SlackRequests:
    """Takes Slack's requests in.

    Args:
        app: Who gets them.
        signing_secret: What Slack signs them with.
        meter: Counts them.
    """

    def __init__(self, app: App, signing_secret: str, meter: Meter) -> None:
        self._app = app
        self._meter = meter
        self._verifier = SignatureVerifier(signing_secret)
        self._seen = Seen()
        self._limiter = CapacityLimiter(THREADS)

    async def take(self, request: Request) -> Response:
        """One request: 401 when Slack did not sign it now and for the first time, else what the listener acknowledged."""
        body = await _body(request)
        if body is None:
            return PlainTextResponse("too large", 413)
        read_at = time.monotonic()
        refusal = self._refusal(body, request)
        if refusal:
            self._meter.interaction({}, "unsigned")
            _log.warning("request_refused", reason=refusal)
            return PlainTextResponse(refusal, 401)
        sent = to_bolt_request(request, body)
        answer = await to_thread.run_sync(self._app.dispatch, sent, limiter=self._limiter)
        self._meter.acknowledged(sent.body, time.monotonic() - read_at)
        return to_starlette_response(answer)

    def _refusal(self, body: bytes, request: Request) -> str:
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        signature = request.headers.get("x-slack-signature", "")
        text = _is_text(body) and signature.isascii() and _TIMESTAMP.fullmatch(timestamp)
        if not text or not self._verifier.is_valid(body, timestamp, signature):
            return "invalid signature or timestamp"
        if self._seen.is_new(signature) or _is_same_list(body, int(timestamp)):
            return ""
        return "replayed"


class Web:
    """The server, in a thread of its own.

    Args:
        host: The address to listen at.
        port: 0 takes a free one.
        alive: What must live, by name; asked with every `/healthz`.
        ready: What must be there, by name; asked with every `/readyz`.
        metrics: What `/metrics` tells.
        requests: Slack's, when they come over HTTP.

    Attributes:
        url: `http://host:port`, once it is open.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        alive: Checks,
        ready: Checks,
        metrics: Exposition,
        requests: SlackRequests | None = None,
    ) -> None:
        self._address = (host, port)
        routes = [
            Route("/healthz", _asked(alive), methods=["GET"]),
            Route("/readyz", _asked(ready), methods=["GET"]),
            Route("/metrics", _told(metrics), methods=["GET"]),
        ]
        if requests is not None:
            routes.append(Route(EVENTS_PATH, requests.take, methods=["POST"]))
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)
        self._listener: socket.socket | None = None
        self._started = threading.Event()
        self.url = ""

    def bind(self) -> None:
        """Take the address; who connects waits until it is open.

        Raises:
            ConfigurationInvalid: The address cannot be listened at.
        """
        host, port = self._address
        try:
            self._listener = socket.create_server(self._address)
        except OSError as error:
            raise ConfigurationInvalid(
                f"Nothing can listen at {host}:{port} ({error.strerror}).",
                state="Nothing was started.",
                next_step="Choose another address with `web` in ferry.yml.",
            ) from error
        self.url = f"http://{host}:{self._listener.getsockname()[1]}"

    def open(self) -> None:
        """Begin to answer."""
        self._thread.start()
        if not self._started.wait(START_SECONDS):
            raise RuntimeError(f"the web server did not start within {START_SECONDS:.0f} s")
        _log.info("web_open", url=self.url)

    def close(self) -> None:
        """Answer what came in, then stop."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        elif self._listener is not None:
            self._listener.close()

    def _serve(self) -> None:
        async def main() -> None:
            asyncio.get_running_loop().call_soon(self._started.set)
            await self._server.serve(sockets=[self._listener] if self._listener else None)

        asyncio.run(main())


def _asked(checks: Checks) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        found = await to_thread.run_sync(lambda: {name: check() for name, check in checks.items()})
        return JSONResponse(found, 200 if all(found.values()) else 503)

    return answer


def _told(metrics: Exposition) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        text, content_type = await to_thread.run_sync(metrics.told, accept)
        return Response(text, media_type=content_type)

    return answer


def _is_text(body: bytes) -> bool:
    """Whether it can be what Slack signs, which is text; the SDK's verifier fails over anything else."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_same_list(body: bytes, timestamp: int) -> bool:
    """Whether Slack asks for the options of a list twice within a second: nothing in these requests tells one from the other."""
    if abs(time.time() - timestamp) > SAME_LIST_SECONDS:
        return False
    fields = parse_qs(body.decode(errors="replace")).get("payload", ["{}"])
    return bool(json.loads(fields[0]).get("type") == "block_suggestion")


async def _body(request: Request) -> bytes | None:
    """The request's body, None when it is longer than anything that Slack sends."""
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > BODY_BYTES_MAX:
            return None
    return bytes(read)
