"""Socket Mode, Slack's side: tickets, hello, envelopes, acknowledgements, refreshes.

Delivers a payload to one of an app's connections, or to its request URL (`httpmode.py`), and waits for the acknowledgement. Knows
nothing of what the payloads mean. Source: Slack's page on Socket Mode.
"""

import asyncio
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.sandbox.config import Timing
from bot.sandbox.errors import Json
from bot.sandbox.faults import Faults
from bot.sandbox.httpmode import HttpMode
from bot.sandbox.journal import Entry, Journal

MAX_CONNECTIONS = 10


@dataclass(eq=False)
class Connection:
    """One WebSocket of an app; a draining one was told to reconnect and gets nothing new."""

    app_id: str
    socket: WebSocket
    draining: bool = False
    sent: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Ack:
    """How a delivery ended: acknowledged in time, with the payload that the app answered."""

    acked: bool
    payload: Json = field(default_factory=dict)


class Hub:
    """All ways to all apps.

    Attributes:
        request_urls: URL and signing secret of the apps that get their payloads over HTTP.
    """

    def __init__(
        self, timing: Timing, journal: Journal, faults: Faults, changed: Callable[[], None]
    ) -> None:
        self._timing = timing
        self._journal = journal
        self._faults = faults
        self._changed = changed
        self._tickets: dict[str, str] = {}
        self._waiting: dict[str, tuple[Entry, asyncio.Future[Json]]] = {}
        self._arrived = asyncio.Event()
        self._http = HttpMode()
        self._background: set[asyncio.Task[None]] = set()
        self.connections: dict[str, list[Connection]] = defaultdict(list)
        self.request_urls: dict[str, tuple[str, str]] = {}

    def new_ticket(self, app_id: str) -> str:
        """A ticket for one connection of the app."""
        ticket = secrets.token_urlsafe(18)
        self._tickets[ticket] = app_id
        return ticket

    def connected(self, app_id: str) -> int:
        """How many connections of the app take payloads."""
        return sum(not connection.draining for connection in self.connections[app_id])

    async def serve(self, socket: WebSocket, ticket: str) -> None:
        """Hold one connection until either side ends it."""
        app_id = self._tickets.pop(ticket, None)
        if app_id is None or self._faults.outage:
            await socket.close(1008)
            return
        await socket.accept()
        connection = Connection(app_id, socket)
        if self.connected(app_id) >= MAX_CONNECTIONS:
            await self._tell_to_leave(connection, "too_many_websockets")
            await socket.close()
            return
        try:
            await self._hello(connection)
        except (WebSocketDisconnect, RuntimeError):
            self.connections[app_id].remove(connection)
            return
        reader = asyncio.create_task(self._read(connection))
        closer = asyncio.create_task(connection.done.wait())
        try:
            done, _ = await asyncio.wait({reader, closer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connections[app_id].remove(connection)
            self._changed()
            await _finish(reader, closer)
        if reader not in done:
            await socket.close()

    async def _hello(self, connection: Connection) -> None:
        # Counted at once, given payloads only after its hello.
        connection.draining = True
        self.connections[connection.app_id].append(connection)
        number = len(self.connections[connection.app_id])
        hello = {
            "type": "hello",
            "num_connections": number,
            "debug_info": {
                "host": "sandbox",
                "build_number": 1,
                "approximate_connection_time": 18060,
            },
            "connection_info": {"app_id": connection.app_id},
        }
        await connection.socket.send_text(json.dumps(hello))
        connection.draining = False
        self._arrived.set()
        self._arrived = asyncio.Event()
        self._changed()

    async def _read(self, connection: Connection) -> None:
        try:
            while True:
                self._acknowledge(await connection.socket.receive_text())
        except WebSocketDisconnect:
            return

    def _acknowledge(self, text: str) -> None:
        try:
            message = json.loads(text)
        except json.JSONDecodeError:
            return  # clients send bare "ping" texts; Slack ignores what is no JSON
        if not isinstance(message, dict):
            return
        entry, answer = self._waiting.get(message.get("envelope_id", ""), (None, None))
        if entry is None or answer is None:
            return
        entry.seconds = time.time() - entry.at
        if answer.done():
            entry.late = True
        else:
            answer.set_result(message.get("payload") or {})

    async def deliver(
        self, app_id: str, kind: str, payload: Json, *, attempt: int | None = None
    ) -> Ack:
        """Send a payload to one connection and wait for the acknowledgement until the deadline.

        Args:
            app_id: whose connections.
            kind: slash_commands, interactive or events_api.
            payload: what Slack would send.
            attempt: number of this attempt of an event, 0 for the first.

        Returns:
            Not acknowledged at once when the app has no connection at all.
        """
        if self._faults.take_duplicate():
            self._spawn(app_id, kind, payload, attempt)
        envelope: Json = {
            "envelope_id": secrets.token_hex(16),
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {
                "retry_attempt": attempt or 0,
                "retry_reason": "timeout" if attempt else "",
            }
        entry = self._journal.add("envelope", kind, payload, retry=attempt)
        if app_id in self.request_urls:
            return await self._post(app_id, entry, attempt)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = (entry, answer)
        try:
            async with asyncio.timeout(self._timing.ack):
                await self._send(app_id, envelope)
                entry.result = await answer
                entry.acked = True
        except (TimeoutError, ConnectionError):
            answer.cancel()
            entry.acked = False
        self._changed()
        return Ack(bool(entry.acked), entry.result or {})

    async def _post(self, app_id: str, entry: Entry, attempt: int | None) -> Ack:
        url, secret = self.request_urls[app_id]
        if self._faults.outage:
            entry.acked = False
            return Ack(acked=False)
        try:
            entry.result = await self._http.send(
                url, secret, entry.method, entry.args, seconds=self._timing.ack, attempt=attempt
            )
            entry.seconds = time.time() - entry.at
            entry.acked = True
        except (TimeoutError, ConnectionError):
            entry.acked = False
        self._changed()
        return Ack(bool(entry.acked), entry.result or {})

    def _spawn(self, app_id: str, kind: str, payload: Json, attempt: int | None) -> None:
        async def again() -> None:
            await self.deliver(app_id, kind, payload, attempt=attempt)

        self.in_background(again())

    def in_background(self, work: "asyncio._CoroutineLike[None]") -> None:
        """Run something that nobody waits for; it ends with the sandbox."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _send(self, app_id: str, envelope: Json) -> None:
        while True:
            connection = await self._connection(app_id)
            try:
                await connection.socket.send_text(json.dumps(envelope))
            except (WebSocketDisconnect, RuntimeError):
                # The client went away between two bytes: as with Slack another connection gets it.
                connection.draining = True
                continue
            connection.sent += 1
            return

    async def _connection(self, app_id: str) -> Connection:
        while True:
            known = self.connections[app_id]
            if self._faults.outage or not known:
                raise ConnectionError("the app has no Socket Mode connection")
            if fresh := [c for c in known if not c.draining]:
                return min(fresh, key=lambda c: c.sent)
            await self._arrived.wait()

    async def send_event(self, app_id: str, payload: Json) -> None:
        """Deliver an event, repeated as Slack repeats it until one attempt is acknowledged."""
        ack = await self.deliver(app_id, "events_api", payload, attempt=0)
        for attempt, pause in enumerate(self._timing.event_retries, start=1):
            if ack.acked:
                return
            await asyncio.sleep(pause)
            ack = await self.deliver(app_id, "events_api", payload, attempt=attempt)

    async def refresh(self, reason: str, *, leave_old_open: bool) -> None:
        """Tell every client to reconnect; `leave_old_open` leaves closing to the client."""
        for connection in [c for group in self.connections.values() for c in group]:
            connection.draining = reason != "warning"
            await self._tell_to_leave(connection, reason)
            if not leave_old_open:
                connection.done.set()

    async def _tell_to_leave(self, connection: Connection, reason: str) -> None:
        message = {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}
        await connection.socket.send_text(json.dumps(message))

    async def cut(self) -> None:
        """End every connection without a word."""
        for connection in [c for group in self.connections.values() for c in group]:
            connection.done.set()

    async def close(self) -> None:
        """End every connection and everything that runs in the background."""
        await self.cut()
        self._http.close()
        await _finish(*self._background)


async def _finish(*tasks: "asyncio.Task[object]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
