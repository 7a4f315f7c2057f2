"""`Sandbox`: the whole workspace as a server in a thread, and the handle that tests steer it with.

Every method here may be called from any thread but the server's own; what it returns is a copy.
"""

import asyncio
import copy
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import uvicorn

from bot.sandbox import snapshot
from bot.sandbox.actors import Actor
from bot.sandbox.config import Timing, WorkspaceConfig
from bot.sandbox.core import Core
from bot.sandbox.errors import Json
from bot.sandbox.faults import Fault
from bot.sandbox.journal import Journal
from bot.sandbox.ratelimits import RateLimits
from bot.sandbox.routes import Routes
from bot.sandbox.transcript import conversation_text, dump
from bot.sandbox.workspace import StoredFile

T = TypeVar("T")
START_SECONDS = 60.0
CALL_SECONDS = 60.0


class Sandbox:
    """A Slack workspace on this machine; a context manager that serves it.

    Attributes:
        timing: Slack's deadlines; may be changed at any time.
        url: the page, "http://127.0.0.1:<port>/".
        api_url: `base_url` for slack_sdk's WebClient.
    """

    def __init__(
        self,
        config: WorkspaceConfig,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        timing: Timing | None = None,
    ) -> None:
        self.config = config
        self.timing = timing or Timing()
        self._address = (host, port)
        self._changed = threading.Condition()
        self._core = Core(config, self.timing)
        self._core.workspace.on_change.append(self._wake)
        self._routes: Routes | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- life -----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to listen; returns when requests are answered. RuntimeError when it cannot."""
        listener = socket.create_server(self._address)
        host, port = listener.getsockname()[:2]
        self._core.workspace.origin = f"http://{host}:{port}"
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._serve, args=(listener, started), name="slack-sandbox", daemon=True
        )
        self._thread.start()
        if not started.wait(START_SECONDS):
            raise RuntimeError("The sandbox did not start.")

    def _serve(self, listener: socket.socket, started: threading.Event) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._routes = Routes(self._core)
            config = uvicorn.Config(
                self._routes.application(),
                log_config=None,
                log_level="error",
                access_log=False,
                lifespan="off",
                ws="websockets-sansio",
                ws_ping_interval=10.0,
                timeout_graceful_shutdown=2,
                server_header=False,
            )
            self._server = uvicorn.Server(config)
            self._loop.call_soon(started.set)
            await self._server.serve(sockets=[listener])

        asyncio.run(main())

    def stop(self) -> None:
        """Close every connection and the server; the state can still be read afterwards."""
        thread, server = self._thread, self._server
        if thread is None or server is None or self._routes is None:
            return
        self._run(self._routes.stop())
        server.should_exit = True
        thread.join(START_SECONDS)
        if thread.is_alive():
            raise RuntimeError("The sandbox did not stop.")
        self._thread = self._loop = None

    @property
    def url(self) -> str:
        """The page's address."""
        return f"{self._core.origin}/"

    @property
    def api_url(self) -> str:
        """The Web API's address, for WebClient(base_url=…)."""
        return f"{self._core.origin}/api/"

    # -- people and what they see -----------------------------------------------------------------

    def user(self, user: str) -> Actor:
        """A person to act as; KeyError when there is none of that id."""
        self._core.workspace.users[user]
        return Actor(self._core, user, self._run, self.wait_for)

    def messages(self, channel: str) -> list[Json]:
        """What everybody sees in the channel itself, oldest first; thread replies are not here."""
        return [m for m in self._everything(channel) if m["thread_ts"] in {None, m["ts"]}]

    def thread(self, channel: str, ts: str) -> list[Json]:
        """A thread, root first."""
        return [m for m in self._everything(channel) if ts in {m["ts"], m["thread_ts"]}]

    def _everything(self, channel: str) -> list[Json]:
        def read() -> list[Json]:
            conversation = self._core.workspace.conversations[channel]
            return snapshot.messages(self._core, conversation, None)

        return self._read(read)

    def direct_channel(self, user: str, app_id: str | None = None) -> str:
        """The id of the direct message channel between a person and an app."""
        workspace = self._core.workspace
        app = workspace.apps[app_id] if app_id else self.config.apps[0]
        return self._read(lambda: workspace.direct_message(app, user).id)

    def transcript(self, channel: str, thread_ts: str | None = None) -> str:
        """A channel or one thread as plain text for a terminal."""
        return self._read(lambda: conversation_text(self._core, channel, thread_ts))

    def dump(self) -> str:
        """The whole workspace as text: every conversation, modal and the last calls."""
        return self._read(lambda: dump(self._core))

    def wait_for(
        self, predicate: Callable[[], T], timeout: float = 30.0, what: str = "the condition"
    ) -> T:
        """Wait until the predicate answers something true, and return that.

        Args:
            predicate: asked again after every change; may call any method of this object.
            timeout: seconds.
            what: named in the error.

        Raises:
            TimeoutError: with a dump of the workspace.
        """
        deadline = time.monotonic() + timeout
        while True:
            seen = self._core.workspace.revision
            if answer := predicate():
                return answer
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{what} did not come within {timeout:g} s\n{self.dump()}")
            with self._changed:
                # The cap lets conditions pass that no change of the workspace announces.
                self._changed.wait_for(
                    lambda seen=seen: self._core.workspace.revision != seen,  # type: ignore[misc]
                    min(left, 0.25),
                )

    @property
    def journal(self) -> Journal:
        """Every Web API call, envelope and response_url post."""
        return self._core.journal

    @property
    def files(self) -> list[StoredFile]:
        """The uploaded files."""
        return self._read(lambda: list(self._core.workspace.files.values()))

    def connections(self, app_id: str | None = None) -> int:
        """How many Socket Mode connections of the app take payloads."""
        return self._core.hub.connected(app_id or self.config.apps[0].id)

    def wait_for_app(self, app_id: str | None = None, timeout: float = 30.0) -> None:
        """Wait until the app has a Socket Mode connection."""
        self.wait_for(lambda: self.connections(app_id), timeout, "a Socket Mode connection")

    def deliver_to(self, url: str, app_id: str | None = None) -> None:
        """Send the app's payloads to this request URL, signed with its `signing_secret`, instead of over Socket Mode."""
        app = self._core.workspace.apps[app_id] if app_id else self.config.apps[0]
        self._core.hub.request_urls[app.id] = (url, app.signing_secret)

    # -- what happens outside -------------------------------------------------------------------

    def set_usergroup(self, group: str, users: list[str]) -> None:
        """Change who is in a user group; KeyError when there is none of that id."""

        def change() -> None:
            self._core.workspace.usergroup_users[group][:] = users
            self._core.workspace.changed()

        self._read(change)

    def set_members(self, channel: str, members: list[str]) -> None:
        """Change who is in a channel, people and bot users."""

        def change() -> None:
            self._core.workspace.conversations[channel].members[:] = members
            self._core.workspace.changed()

        self._read(change)

    # -- faults -----------------------------------------------------------------------------------

    def fail_next(
        self,
        method: str,
        error: str = "internal_error",
        *,
        status: int = 200,
        retry_after: float | None = None,
        times: int = 1,
        lose_answer: bool = False,
    ) -> None:
        """Let the next calls of a Web API method fail.

        Args:
            method: e.g. chat.update.
            error: Slack's error word.
            status: the HTTP status; `retry_after` given makes it 429.
            retry_after: seconds for the Retry-After header.
            times: how many calls.
            lose_answer: the call takes effect, only its answer breaks off.
        """
        status = 429 if retry_after is not None else status
        fault = Fault(error, status, retry_after, times, lose_answer)
        self._read(lambda: self._core.faults.fail_next(method, fault))

    def outage(self, on: bool = True) -> None:  # noqa: FBT002  # reads as the sentence it is
        """Begin or end an outage of Slack: the Web API answers 503, sockets are cut and refused."""

        async def change() -> None:
            self._core.faults.outage = on
            if on:
                await self._core.hub.cut()
            self._core.workspace.changed()

        self._run(change())

    def refresh_sockets(
        self, reason: str = "refresh_requested", *, leave_old_open: bool = True
    ) -> None:
        """Ask every client to reconnect, as Slack does every few hours.

        Args:
            reason: refresh_requested, warning (about 10 s before it) or link_disabled.
            leave_old_open: leave it to the client to close the old connection.
        """
        self._run(self._core.hub.refresh(reason, leave_old_open=leave_old_open))

    def cut_sockets(self) -> None:
        """End every Socket Mode connection without a word, as a network does."""
        self._run(self._core.hub.cut())

    def duplicate_next_envelope(self, times: int = 1) -> None:
        """Deliver the next payloads twice, each with an envelope of its own."""
        self._core.faults.duplicate_envelopes += times

    def clear_faults(self) -> None:
        """End every fault that was asked for."""
        self._read(self._core.faults.clear)

    @property
    def rate_limits(self) -> RateLimits:
        """Slack's rate limits; set `enforced` to True to have them."""
        return self._core.rate_limits

    # -- the bridge to the server's thread ------------------------------------------------------

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        loop = self._loop
        if loop is None:
            work.close()
            raise RuntimeError("The sandbox is not running.")
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("The sandbox cannot be asked from its own thread.")
        return asyncio.run_coroutine_threadsafe(work, loop).result(CALL_SECONDS)

    def _read(self, read: Callable[[], T]) -> T:
        if self._loop is None:
            return copy.deepcopy(read())

        async def on_loop() -> T:
            return copy.deepcopy(read())

        return self._run(on_loop())
