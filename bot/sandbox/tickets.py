"""Things that Slack hands out and that stop working: trigger ids and response URLs.

Keeps who may use them, for how long and how often. Time is the monotonic clock.
"""

import secrets
import time
from dataclasses import dataclass

from bot.sandbox.config import Timing
from bot.sandbox.errors import SlackError


@dataclass
class Trigger:
    """A trigger_id: opens or pushes one modal for `user`."""

    app_id: str
    user: str
    since: float
    used: bool = False


@dataclass
class ResponseUrl:
    """A response_url of one interaction.

    Attributes:
        ts: the message that was clicked, None for a command.
        ephemeral: that message was ephemeral.
    """

    app_id: str
    user: str
    channel: str
    since: float
    ts: str | None = None
    uses: int = 0


class Tickets:
    """All trigger ids and response URLs ever handed out."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._triggers: dict[str, Trigger] = {}
        self._urls: dict[str, ResponseUrl] = {}

    def new_trigger(self, app_id: str, user: str) -> str:
        """A trigger_id for what the user just did."""
        trigger_id = (
            f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        )
        self._triggers[trigger_id] = Trigger(app_id, user, time.monotonic())
        return trigger_id

    def check_trigger(self, app_id: str, trigger_id: str | None) -> Trigger:
        """The trigger, not yet used up.

        Raises:
            SlackError: invalid_trigger_id, exchanged_trigger_id (used before),
                expired_trigger_id (older than Slack's 3 s).
        """
        trigger = self._triggers.get(trigger_id or "")
        if trigger is None or trigger.app_id != app_id:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if time.monotonic() - trigger.since > self._timing.trigger:
            raise SlackError("expired_trigger_id")
        return trigger

    def new_url(self, app_id: str, user: str, channel: str, ts: str | None) -> str:
        """The secret part of a new response_url."""
        key = f"{app_id}/{secrets.randbelow(10**13)}/{secrets.token_urlsafe(18)}"
        self._urls[key] = ResponseUrl(app_id, user, channel, time.monotonic(), ts)
        return key

    def use_url(self, key: str) -> ResponseUrl:
        """Count one use of a response_url.

        Raises:
            SlackError: no_such_url, expired_url (30 minutes), used_url (5 uses).
        """
        url = self._urls.get(key)
        if url is None:
            raise SlackError("no_such_url")
        if time.monotonic() - url.since > self._timing.response_url:
            raise SlackError("expired_url")
        if url.uses >= self._timing.response_url_uses:
            raise SlackError("used_url")
        url.uses += 1
        return url
