"""The state of the workspace: messages, conversations, views, files, notices.

Everything lives in memory and is touched only by the event loop's thread. Every change ends in
`changed()`, which wakes whoever waits. Never validates payloads and never talks to a socket.
"""

import hashlib
import itertools
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.sandbox.config import AppConfig, ChannelConfig, UserConfig, WorkspaceConfig
from bot.sandbox.elements import Values, identified
from bot.sandbox.errors import Json, SlackError
from bot.sandbox.modalstack import Views

SLACKBOT = "USLACKBOT"


@dataclass
class Message:
    """One message; `ephemeral_to` names the only user who sees it."""

    channel: str
    ts: str
    user: str
    text: str = ""
    thread_ts: str | None = None
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    app_id: str | None = None
    bot_id: str | None = None
    username: str | None = None
    ephemeral_to: str | None = None
    broadcast: bool = False
    edited: Json | None = None
    deleted: bool = False
    metadata: Json | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    values: dict[str, Values] = field(default_factory=dict)

    @property
    def is_reply(self) -> bool:
        """True for a message inside a thread, False for its root."""
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass
class Conversation:
    """A channel, or a direct message between an app's bot user and a person."""

    id: str
    name: str
    is_private: bool
    is_im: bool
    members: list[str]
    messages: list[Message] = field(default_factory=list)


@dataclass
class StoredFile:
    """An uploaded file; shared once files.completeUploadExternal named it."""

    id: str
    name: str
    title: str
    length: int
    mimetype: str
    user: str
    content: bytes | None = None
    shared_in: list[str] = field(default_factory=list)


@dataclass
class Notice:
    """A text of Slack's own client, e.g. after an app did not answer."""

    id: str
    user: str
    text: str
    level: str


class Workspace:
    """All state of one workspace, and the few primitive changes to it.

    Attributes:
        origin: "http://host:port" of the server, without a slash at the end.
        revision: counts the changes.
    """

    def __init__(self, config: WorkspaceConfig) -> None:
        self.config = config
        self.origin = ""
        self.users = {user.id: user for user in config.users}
        self.apps = {app.id: app for app in config.apps}
        self.bots = {app.bot_user: app for app in config.apps}
        self.conversations = {c.id: _conversation(c) for c in config.channels}
        self.usergroup_users = {group.id: list(group.users) for group in config.usergroups}
        self.files: dict[str, StoredFile] = {}
        self.views = Views()
        self.notices: list[Notice] = []
        self.last_read: dict[tuple[str, str], str] = defaultdict(lambda: "0")
        self.revision = 0
        self.on_change: list[Callable[[], None]] = []
        self._last_us = 0
        self._by_ts: dict[str, Message] = {}
        self._threads: dict[tuple[str, str], list[Message]] = defaultdict(list)
        self._ids = itertools.count(1)
        for app, user in itertools.product(config.apps, config.users):
            self.direct_message(app, user.id)

    def changed(self) -> None:
        """Count the change and wake everyone who waits for one."""
        self.revision += 1
        for wake in self.on_change:
            wake()

    def next_id(self, prefix: str) -> str:
        """A new id such as F0000000001."""
        return f"{prefix}{next(self._ids):010d}"

    def next_ts(self) -> str:
        """A new message timestamp: unique and increasing, seconds with six decimals."""
        self._last_us = max(time.time_ns() // 1000, self._last_us + 1)
        return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06d}"

    def direct_message(self, app: AppConfig, user: str) -> Conversation:
        """The direct message conversation of an app and a user, created when missing."""
        digest = hashlib.sha256(f"{app.bot_user}/{user}".encode()).hexdigest()
        channel = f"D{digest[:10].upper()}"
        if channel not in self.conversations:
            members = [app.bot_user, user]
            self.conversations[channel] = Conversation(
                channel, "", is_private=True, is_im=True, members=members
            )
        return self.conversations[channel]

    def user(self, user: str) -> UserConfig:
        """The person of that id; SlackError user_not_found."""
        if user not in self.users:
            raise SlackError("user_not_found")
        return self.users[user]

    def real_name(self, user: str) -> str:
        """The name that people see for a user or a bot."""
        if user in self.bots:
            return self.bots[user].name
        if user == SLACKBOT:
            return "Slackbot"
        known = self.users.get(user)
        return (known.real_name or known.name) if known else user

    def find(self, channel: str, ts: str) -> Message | None:
        """The message, also an ephemeral one; None when it does not exist or was deleted."""
        found = self.find_anywhere(ts)
        return found if found and found.channel == channel else None

    def find_anywhere(self, ts: str) -> Message | None:
        """The message of that ts in whichever conversation; timestamps are unique here."""
        found = self._by_ts.get(ts)
        return found if found and not found.deleted else None

    def replies(self, message: Message) -> list[Message]:
        """The replies of a thread root that everybody sees."""
        inside = self._threads.get((message.channel, message.ts), ())
        return [m for m in inside if not m.deleted and not m.ephemeral_to]

    def add(self, message: Message) -> Message:
        """Store a new message, giving ids to its blocks."""
        message.blocks = identified(message.blocks)
        if message.thread_ts:
            root = self.find(message.channel, message.thread_ts)
            if root is not None and root.thread_ts is None:
                root.thread_ts = root.ts
        if message.thread_ts and message.is_reply:
            self._threads[message.channel, message.thread_ts].append(message)
        self._by_ts[message.ts] = message
        self.conversations[message.channel].messages.append(message)
        self.changed()
        return message

    def slackbot_says(self, channel: str, user: str, text: str) -> Message:
        """Slack's own text that only one person sees."""
        return self.add(Message(channel, self.next_ts(), SLACKBOT, text, ephemeral_to=user))

    def notify(self, user: str, text: str, level: str = "error") -> None:
        """Show a text of Slack's client to one person."""
        self.notices.append(Notice(self.next_id("N"), user, text, level))
        self.changed()

    def unread(self, conversation: Conversation, user: str) -> int:
        """How many messages of others a user has not read."""
        since = self.last_read[user, conversation.id]
        return sum(
            m.ts > since and m.user != user and m.ephemeral_to in {None, user} and not m.deleted
            for m in conversation.messages
        )

    def conversations_of(self, user: str) -> list[Conversation]:
        """The conversations that a user or bot is in."""
        return [c for c in self.conversations.values() if user in c.members]


def _conversation(config: ChannelConfig) -> Conversation:
    return Conversation(config.id, config.name, config.is_private, False, list(config.members))  # noqa: FBT003  # a channel is no direct message
