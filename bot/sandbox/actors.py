"""A person in the workspace, for tests and for a scripted story: types, clicks, fills, reads.

Synchronous and usable from any thread but the server's. Does nothing that Slack's client does not
allow: a button that is gone cannot be clicked, a confirm dialog can be declined.
"""

import copy
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from bot.sandbox import interactions, modals, snapshot
from bot.sandbox.core import Core
from bot.sandbox.elements import label_of, options_of, place_of, places
from bot.sandbox.errors import ActRefusedError, Json
from bot.sandbox.surfaces import Surface, on_home, on_message, on_modal

T = TypeVar("T")
MODAL, HOME = "modal", "home"


class Actor:
    """One person; got from `Sandbox.user`."""

    def __init__(
        self,
        core: Core,
        user: str,
        run: Callable[[Coroutine[Any, Any, Any]], Any],
        wait_for: Callable[..., Any],
    ) -> None:
        self.id = user
        self._core = core
        self._run = run
        self._wait_for = wait_for

    # -- acting -----------------------------------------------------------------------------------

    def command(self, command: str, text: str = "", *, channel: str) -> bool:
        """Type a slash command; True when the app acknowledged it in time."""
        acked: bool = self._run(interactions.command(self._core, self.id, channel, command, text))
        return acked

    def say(self, channel: str, text: str, thread_ts: str | None = None) -> str:
        """Write a plain message; returns its ts."""

        async def write() -> str:
            written = await interactions.message(self._core, self.id, channel, text, thread_ts)
            return written.ts

        ts: str = self._run(write())
        return ts

    def click(
        self,
        target: str | Json,
        action_id: str,
        value: Any = None,
        *,
        confirm: bool = True,
        block_id: str | None = None,
    ) -> bool:
        """Click a button, or choose in a list, a picker, boxes or an overflow menu.

        Args:
            target: a message's ts, a message as `Sandbox.messages` returns it (its blocks are what
                the person sees, even if the message was changed since), "modal", "home", or the
                Home tab as `home` returned it earlier.
            action_id: the element.
            value: what to choose: an option's value or label, a date, a user id, a list of those.
                Of several buttons with one action_id the one with that value is clicked.
            confirm: the answer to the element's confirm dialog, if it has one.
            block_id: when the action_id alone is not enough.

        Returns:
            Whether the app acknowledged it; False also when the dialog was declined.

        Raises:
            ActRefusedError: the person has no such element before them.
        """

        async def do() -> bool:
            surface = self._surface(target)
            within = block_id or _block_with(surface, action_id, value)
            place = place_of(surface.blocks, action_id, within)
            if place.element.get("confirm") and not confirm:
                return False
            return await interactions.act(self._core, surface, within, action_id, value)

        acked: bool = self._run(do())
        return acked

    def fill(
        self,
        field: str,
        value: Any,
        *,
        query: str | None = None,
        enter: bool = True,
    ) -> None:
        """Fill a field of the open modal.

        Args:
            field: its action_id or block_id.
            value: text; an option's value or label (a list of them for several); "YYYY-MM-DD";
                "HH:MM"; seconds since the epoch; an id; None clears it.
            query: what to type into an external select; otherwise the list is opened, or the
                value is typed.
            enter: False for text that is still being typed.

        Raises:
            ActRefusedError: no modal, no such field, no such option.
        """

        async def do() -> None:
            surface = on_modal(self._core, self.id)
            place = next(
                (p for p in places(surface.blocks) if field in {p.action_id, p.block_id}), None
            )
            if place is None:
                place = place_of(surface.blocks, field)
            if place.element["type"].endswith("external_select") and value is not None:
                await self._search(surface, place.block_id, place.action_id, value, query)
            await modals.fill(
                self._core, self.id, place.block_id, place.action_id, value, enter=enter
            )

        self._run(do())

    async def _search(
        self, surface: Surface, block_id: str, action_id: str, value: Any, query: str | None
    ) -> None:
        wanted = [str(v) for v in (value if isinstance(value, list | tuple) else [value])]
        typed = ["", *wanted] if query is None else [query]
        for text in typed:
            offered = await interactions.suggest(self._core, surface, block_id, action_id, text)
            known = {name for o in options_of(offered) for name in (o["value"], label_of(o))}
            if set(wanted) <= known:
                return

    def suggest(
        self,
        action_id: str,
        query: str = "",
        *,
        target: str | Json = MODAL,
        block_id: str | None = None,
    ) -> Json:
        """Type into an external select; returns {"options"} or {"option_groups"} of the app."""

        async def do() -> Json:
            surface = self._surface(target)
            return await interactions.suggest(self._core, surface, block_id, action_id, query)

        offered: Json = self._run(do())
        return offered

    def submit(self) -> dict[str, str] | None:
        """Submit the open modal.

        Returns:
            The texts at the fields by block_id, under "" Slack's own text for the whole modal;
            None when the app took the submission.
        """
        answer = self._run(modals.submit(self._core, self.id))
        errors: dict[str, str] = dict(answer["errors"])
        if answer["error"]:
            errors[""] = answer["error"]
        return errors or None

    def close(self) -> None:
        """Close the open modal."""
        self._run(modals.close(self._core, self.id))

    def open_home(self, app_id: str | None = None) -> None:
        """Open an app's Home tab."""
        app = app_id or self._core.config.apps[0].id
        self._run(interactions.open_home(self._core, self.id, app))

    # -- seeing -----------------------------------------------------------------------------------

    @property
    def view(self) -> Json | None:
        """The open modal: title, blocks, values, errors, error, busy, callback_id, depth and more."""
        seen: Json | None = self.sees()["modal"]
        return seen

    @property
    def home(self) -> Json | None:
        """The Home tab that the person looks at: app_id, blocks, values."""
        seen: Json | None = self.sees()["home"]
        return seen

    @property
    def notices(self) -> list[Json]:
        """Texts of Slack's own client."""
        seen: list[Json] = self.sees()["notices"]
        return seen

    def sees(self) -> Json:
        """Everything that the person sees, as the page gets it."""

        async def read() -> Json:
            return copy.deepcopy(snapshot.snapshot(self._core, self.id))

        seen: Json = self._run(read())
        return seen

    def visible_messages(self, channel: str, thread_ts: str | None = None) -> list[Json]:
        """A channel's own messages or a thread, with what only this person sees."""
        seen: list[Json] = self.sees()["messages"].get(channel, [])
        if thread_ts is None:
            return [m for m in seen if m["thread_ts"] in {None, m["ts"]}]
        return [m for m in seen if thread_ts in {m["ts"], m["thread_ts"]}]

    def ephemerals(self, channel: str) -> list[Json]:
        """The messages in a channel and its threads that only this person sees."""
        seen: list[Json] = self.sees()["messages"].get(channel, [])
        return [m for m in seen if m["ephemeral"]]

    def wait_for_view(
        self,
        callback_id: str | None = None,
        *,
        title: str | None = None,
        timeout: float = 30.0,
    ) -> Json:
        """Wait until a modal is open (with that callback_id, that title) and return it."""

        def opened() -> Json | None:
            seen = self.view
            fits = (
                seen is not None
                and callback_id in {None, seen["callback_id"]}
                and title in {None, seen["title"]}
            )
            return seen if fits else None

        found: Json = self._wait_for(opened, timeout, f"a modal {callback_id or title or ''}")
        return found

    def wait_for_ephemeral(self, channel: str, containing: str, timeout: float = 30.0) -> Json:
        """Wait for a message that only this person sees and that contains the text."""

        def found() -> Json | None:
            seen = reversed(self.ephemerals(channel))
            return next((m for m in seen if containing in snapshot.words_of(m)), None)

        message: Json = self._wait_for(found, timeout, f"an ephemeral with {containing!r}")
        return message

    def _surface(self, target: str | Json) -> Surface:
        if target == MODAL:
            return on_modal(self._core, self.id)
        if target == HOME:
            return on_home(self._core, self.id)
        if isinstance(target, dict) and "ts" not in target:
            return replace(on_home(self._core, self.id), blocks=target["blocks"])
        if isinstance(target, dict):
            return on_message(
                self._core, self.id, target["channel"], target["ts"], target["blocks"]
            )
        shown = self._core.workspace.find_anywhere(target)
        if shown is None:
            raise ActRefusedError(f"There is no message {target}.")
        return on_message(self._core, self.id, shown.channel, shown.ts)


def _block_with(surface: Surface, action_id: str, value: Any) -> str | None:
    for place in places(surface.blocks):
        same = place.action_id == action_id and place.element["type"] == "button"
        if same and value is not None and place.element.get("value") == value:
            return place.block_id
    return None
