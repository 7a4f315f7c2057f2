"""The HTTP and WebSocket routes of the sandbox: Slack's side and the page's side.

Turns requests into calls of the modules that know what to do; has no rules of its own.
"""

import asyncio
import json
from collections.abc import Awaitable
from pathlib import Path
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.sandbox import acts, responses, webapi, webapi_files
from bot.sandbox.core import Core
from bot.sandbox.errors import SlackError
from bot.sandbox.snapshot import snapshot

PAGE = Path(__file__).parent / "page"
NOT_FOUND, BAD_REQUEST, UNAVAILABLE = 404, 400, 503


class Routes:
    """The request handlers of one sandbox."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._stopping = asyncio.Event()

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/api/{method}", self.api, methods=["GET", "POST"]),
                Route("/response/{key:path}", self.response_url, methods=["POST"]),
                Route("/upload/{file_id}", self.upload, methods=["POST"]),
                Route("/files/{file_id}/{name:path}", self.download),
                WebSocketRoute("/socket", self.socket),
                Route("/", self.index),
                Route("/sandbox/state", self.state),
                Route("/sandbox/act", self.act, methods=["POST"]),
                WebSocketRoute("/sandbox/live", self.live),
                Mount("/page", StaticFiles(directory=PAGE, check_dir=False)),
            ]
        )

    async def stop(self) -> None:
        """End the sockets and what runs in the background, so that the server can stop."""
        self._stopping.set()
        await self._core.hub.close()

    async def api(self, request: Request) -> Response:
        """POST /api/<method>: Slack's Web API."""
        try:
            return await webapi.answer(self._core, request)
        except webapi.LostAnswerError:
            return _Hangup()

    async def response_url(self, request: Request) -> Response:
        """POST to a response_url."""
        core, text = self._core, (await request.body()).decode()
        if core.faults.outage:
            return PlainTextResponse("Service Unavailable", UNAVAILABLE)
        form = request.headers.get("content-type", "").startswith("application/x-www-form")
        try:
            answer = json.loads(parse_qs(text)["payload"][0] if form else text)
        except (json.JSONDecodeError, KeyError):
            answer = None
        if not isinstance(answer, dict):
            return PlainTextResponse("invalid_payload", BAD_REQUEST)
        entry = core.journal.add("response_url", "response_url", answer)
        try:
            entry.result = responses.post(core, request.path_params["key"], answer)
        except SlackError as error:
            entry.result = error.body()
            gone = error.error in {"expired_url", "used_url", "no_such_url"}
            core.workspace.changed()
            return JSONResponse(entry.result, NOT_FOUND if gone else BAD_REQUEST)
        return PlainTextResponse("ok")

    async def upload(self, request: Request) -> Response:
        """POST of a file's bytes to its upload URL."""
        content = await request.body()
        if webapi_files.receive(self._core, request.path_params["file_id"], content):
            return PlainTextResponse(f"OK - {len(content)}")
        return PlainTextResponse("not the announced file", BAD_REQUEST)

    async def download(self, request: Request) -> Response:
        """A shared file's bytes."""
        stored = self._core.workspace.files.get(request.path_params["file_id"])
        if stored is None or stored.content is None:
            return PlainTextResponse("no such file", NOT_FOUND)
        return Response(stored.content, media_type=stored.mimetype)

    async def socket(self, socket: WebSocket) -> None:
        """An app's Socket Mode connection."""
        await self._core.hub.serve(socket, socket.query_params.get("ticket", ""))

    async def index(self, _request: Request) -> Response:
        """The page."""
        return FileResponse(PAGE / "index.html")

    async def state(self, request: Request) -> Response:
        """GET /sandbox/state?user=U1: what that user sees."""
        user = request.query_params.get("user") or next(iter(self._core.workspace.users))
        if user not in self._core.workspace.users:
            return JSONResponse({"ok": False, "error": f"There is no user {user}."}, NOT_FOUND)
        return JSONResponse(snapshot(self._core, user))

    async def act(self, request: Request) -> Response:
        """POST /sandbox/act: do something as one of the users."""
        given = json.loads(await request.body())
        return JSONResponse(await acts.act(self._core, given))

    async def live(self, socket: WebSocket) -> None:
        """Push what a user sees after every change, at most once per Timing.live_push."""
        user = socket.query_params.get("user") or next(iter(self._core.workspace.users))
        if user not in self._core.workspace.users:
            await socket.close(1008)
            return
        await socket.accept()
        changed = asyncio.Event()
        changed.set()
        self._core.workspace.on_change.append(changed.set)
        try:
            await _first_of(
                self._push(socket, user, changed), _until_gone(socket), self._stopping.wait()
            )
        finally:
            self._core.workspace.on_change.remove(changed.set)
        if self._stopping.is_set():
            await socket.close()

    async def _push(self, socket: WebSocket, user: str, changed: asyncio.Event) -> None:
        try:
            while True:
                await changed.wait()
                changed.clear()
                await socket.send_text(json.dumps(snapshot(self._core, user)))
                await asyncio.sleep(self._core.timing.live_push)
        except WebSocketDisconnect:
            return


class _Hangup(Response):
    """An answer that breaks off after its headers, as when a network fails."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-type", b"application/json"), (b"content-length", b"64")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


async def _until_gone(socket: WebSocket) -> None:
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        return


async def _first_of(*work: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
