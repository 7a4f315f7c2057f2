"""Where a person acts: a message, the open modal, or an app's Home tab.

Finds the place and what Slack would say about it in a payload. Changes nothing.
"""

from dataclasses import dataclass

from bot.sandbox import payloads
from bot.sandbox.config import AppConfig
from bot.sandbox.core import Core
from bot.sandbox.elements import Values
from bot.sandbox.errors import ActRefusedError, Json
from bot.sandbox.modalstack import View
from bot.sandbox.workspace import Message


@dataclass(frozen=True)
class Surface:
    """Something with blocks that a person sees and that belongs to an app.

    Attributes:
        blocks: what the person sees, which may be older than what stands there by now.
        values: what this person chose and typed; may be changed.
    """

    app: AppConfig
    user: str
    blocks: list[Json]
    values: Values
    message: Message | None = None
    view: View | None = None

    @property
    def id(self) -> str:
        """The message's ts or the view's id."""
        return self.message.ts if self.message else self.view.id if self.view else ""

    def payload(self, core: Core) -> Json:
        """The part of an interaction payload that says where it happened."""
        if self.message:
            return payloads.in_message(core.workspace, self.app, self.message, self.user)
        if self.view:
            return payloads.in_view(core.workspace, self.view)
        return {}

    def response_url(self, core: Core) -> Json:
        """The response_url of an interaction with a message; views have none."""
        if self.message is None:
            return {}
        shown = self.message
        return {"response_url": core.response_url(self.app, self.user, shown.channel, shown.ts)}


def on_message(
    core: Core, user: str, channel: str, ts: str, seen: list[Json] | None = None
) -> Surface:
    """A message that the user sees.

    Args:
        core: the sandbox.
        user: who acts.
        channel: where the message stands.
        ts: its timestamp.
        seen: the blocks on the person's screen when they are older than the message.

    Raises:
        ActRefusedError: the message is gone, hidden from this user, or of no app.
    """
    shown = core.workspace.find(channel, ts)
    hidden = shown is not None and (
        shown.ephemeral_to not in {None, user}
        or user not in core.workspace.conversations[channel].members
    )
    if shown is None or hidden:
        raise ActRefusedError("That message does not exist any more.")
    if shown.app_id is None:
        raise ActRefusedError("That message is not of an app.")
    values = shown.values.setdefault(user, {})
    blocks = shown.blocks if seen is None else seen
    return Surface(core.workspace.apps[shown.app_id], user, blocks, values, message=shown)


def on_modal(core: Core, user: str) -> Surface:
    """The modal that the user sees; ActRefusedError when none is open."""
    view = core.workspace.views.top(user)
    if view is None:
        raise ActRefusedError("No modal is open.")
    app = core.workspace.apps[view.app_id]
    return Surface(app, user, view.blocks, view.values, view=view)


def on_home(core: Core, user: str) -> Surface:
    """The Home tab that the user looks at; ActRefusedError when there is none."""
    app_id = core.workspace.views.looking_at.get(user)
    view = core.workspace.views.homes.get((app_id or "", user))
    if view is None:
        raise ActRefusedError("No Home tab is open.")
    return Surface(core.workspace.apps[view.app_id], user, view.blocks, view.values, view=view)
