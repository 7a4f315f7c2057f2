"""Open modals and published Home tabs: who looks at what, with which hash, holding which values.

State only: when a view may be opened is decided in webapi_views.py and interactions.
"""

import secrets
import time
from dataclasses import dataclass, field

from bot.sandbox.elements import Values, identified, initial_values, kept_values
from bot.sandbox.errors import Json, SlackError

MAX_STACK = 3


@dataclass
class View:
    """A modal or a Home tab as one person sees it.

    Attributes:
        content: the view as the app gave it, blocks and elements with ids.
        errors: block_id -> text beneath that input.
        busy: a submission is on its way.
        error: a text of Slack's own for the whole modal.
    """

    id: str
    app_id: str
    user: str
    content: Json
    hash: str
    values: Values
    errors: dict[str, str] = field(default_factory=dict)
    busy: bool = False
    error: str | None = None
    root_id: str = ""
    previous_id: str | None = None

    @property
    def blocks(self) -> list[Json]:
        """The blocks, with ids."""
        blocks: list[Json] = self.content["blocks"]
        return blocks

    @property
    def callback_id(self) -> str:
        """The app's name for the view, may be empty."""
        return str(self.content.get("callback_id") or "")


class Views:
    """Each person's stack of modals (of one app at a time) and the Home tab of each app."""

    def __init__(self) -> None:
        self.stacks: dict[str, list[View]] = {}
        self.homes: dict[tuple[str, str], View] = {}
        self.looking_at: dict[str, str] = {}

    def top(self, user: str) -> View | None:
        """The modal that the user sees, None when no modal is open."""
        stack = self.stacks.get(user)
        return stack[-1] if stack else None

    def depth(self, user: str) -> int:
        """How many modals lie on each other."""
        return len(self.stacks.get(user, ()))

    def open(self, app_id: str, user: str, content: Json) -> View:
        """Show a modal instead of whatever modal is open."""
        view = _new_view(app_id, user, content)
        view.root_id = view.id
        self.stacks[user] = [view]
        return view

    def push(self, app_id: str, user: str, content: Json) -> View:
        """Lay a modal over the open one; SlackError push_limit_reached on the fourth."""
        stack = self.stacks.get(user, [])
        if len(stack) >= MAX_STACK:
            raise SlackError("push_limit_reached")
        view = _new_view(app_id, user, content)
        view.root_id, view.previous_id = stack[0].id, stack[-1].id
        stack.append(view)
        return view

    def pop(self, view: View) -> None:
        """Take a modal away; the one beneath it is seen again."""
        stack = self.stacks.get(view.user, [])
        if view in stack:
            stack.remove(view)

    def clear(self, user: str) -> list[View]:
        """Take all modals of a user away and return them, top first."""
        return list(reversed(self.stacks.pop(user, [])))

    def by_id(self, app_id: str, view_id: str | None, external_id: str | None) -> View | None:
        """The app's open modal or Home tab of that id."""
        everything = [view for stack in self.stacks.values() for view in stack]
        for view in [*everything, *self.homes.values()]:
            if view.app_id == app_id and (
                view.id == view_id or (external_id and view.content["external_id"] == external_id)
            ):
                return view
        return None

    def publish(self, app_id: str, user: str, content: Json) -> View:
        """Set the Home tab of an app for one user."""
        home = self.homes.get((app_id, user))
        if home is None:
            home = self.homes[app_id, user] = _new_view(app_id, user, content)
            home.root_id = home.id
        else:
            replace(home, content)
        return home


def replace(view: View, content: Json) -> None:
    """Give a view new content and a new hash, keeping what was typed where ids are the same."""
    before = view.values
    view.content = _completed(content)
    view.values = kept_values(before, view.blocks)
    view.hash = _new_hash()
    view.errors, view.error = {}, None


def _new_view(app_id: str, user: str, content: Json) -> View:
    content = _completed(content)
    view_id = f"V{secrets.token_hex(5).upper()}"
    return View(view_id, app_id, user, content, _new_hash(), initial_values(content["blocks"]))


def _new_hash() -> str:
    return f"{int(time.time())}.{secrets.token_urlsafe(6)}"


def _completed(content: Json) -> Json:
    defaults = {
        "private_metadata": "",
        "callback_id": "",
        "external_id": "",
        "clear_on_close": False,
        "notify_on_close": False,
        "title": None,
        "submit": None,
        "close": None,
    }
    return defaults | content | {"blocks": identified(content["blocks"])}
