"""One Web API call: its arguments as Slack reads them, from form, JSON or query alike.

Reads and converts; what a method does with them stands in the webapi files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, overload

from bot.sandbox.config import AppConfig
from bot.sandbox.core import Core
from bot.sandbox.errors import Json, SlackError
from bot.sandbox.workspace import Conversation, Message

TRUE = {"true", "1", "True"}


@dataclass(frozen=True)
class Call:
    """A call with a valid token."""

    core: Core
    app: AppConfig
    args: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        return self.args.get(name) is not None

    @overload
    def text(self, name: str) -> str: ...
    @overload
    def text(self, name: str, default: str | None) -> str | None: ...
    def text(self, name: str, default: str | None = "\0required") -> str | None:
        """A text argument; without a default it is required (invalid_arguments)."""
        value = self.args.get(name)
        if value is None or value == "":
            if default == "\0required":
                raise SlackError("invalid_arguments", [f"missing required field: {name}"])
            return default
        return value if isinstance(value, str) else json.dumps(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean argument: true, "true" or "1"."""
        value = self.args.get(name)
        return default if value is None else value is True or str(value) in TRUE

    def number(self, name: str, default: int) -> int:
        """An integer argument; invalid_arguments when it is none."""
        value = self.args.get(name)
        if value is None or value == "":
            return default
        try:
            return int(value)
        except (TypeError, ValueError):
            raise SlackError("invalid_arguments", [f"must provide a number: {name}"]) from None

    def json(self, name: str, error: str = "invalid_arguments") -> Any:
        """A structured argument, given as JSON text or as JSON; None when it is not given."""
        value = self.args.get(name)
        if not isinstance(value, str) or value == "":
            return None if value == "" else value
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            raise SlackError(error, [f"must be valid JSON: {name}"]) from None

    def has_scope(self, *scopes: str) -> bool:
        """Whether the app was granted one of these scopes."""
        return self.app.scopes is None or any(scope in self.app.scopes for scope in scopes)

    def conversation(self, name: str = "channel") -> Conversation:
        """The conversation with that id that the bot may know of; channel_not_found."""
        found = self.core.workspace.conversations.get(self.text(name))
        if found is None or (found.is_private and self.app.bot_user not in found.members):
            raise SlackError("channel_not_found")
        return found

    def destination(self) -> Conversation:
        """Where chat.postMessage posts: a channel id, "#name" or a user id.

        Raises:
            SlackError: channel_not_found, not_in_channel.
        """
        workspace, wanted = self.core.workspace, self.text("channel")
        if wanted in workspace.users:
            if workspace.users[wanted].deleted:
                raise SlackError("account_inactive")
            return workspace.direct_message(self.app, wanted)
        named = [c.id for c in workspace.conversations.values() if c.name == wanted.lstrip("#")]
        target = workspace.conversations.get(named[0] if named else wanted)
        if target is None or (target.is_private and self.app.bot_user not in target.members):
            raise SlackError("channel_not_found")
        granted = self.app.scopes is not None and self.has_scope("chat:write.public")
        if self.app.bot_user not in target.members and not granted:
            raise SlackError("not_in_channel")
        return target

    def own_message(self, error: str) -> Message:
        """The app's own message named by channel and ts; `error` when another wrote it."""
        found = self.core.workspace.find(self.conversation().id, self.text("ts"))
        if found is None or found.ephemeral_to:
            raise SlackError("message_not_found")
        if found.app_id != self.app.id:
            raise SlackError(error)
        return found


def page(call: Call, items: list[Any], key: str, limit: int = 100) -> Json:
    """One page of a list with Slack's cursor; the cursor is the offset.

    Raises:
        SlackError: invalid_cursor.
    """
    cursor = call.text("cursor", "0") or "0"
    if not cursor.isdigit():
        raise SlackError("invalid_cursor")
    start, size = int(cursor), max(1, call.number("limit", limit))
    rest = str(start + size) if start + size < len(items) else ""
    return {key: items[start : start + size], "response_metadata": {"next_cursor": rest}}
