"""The one way from the narrator to Slack: posts, edits and uploads within the budget, and sorts Slack's refusals.

    Later      try again then: throttled, no answer, the bot is not in the channel (a person can change that)
    Gone       the message to edit, or its thread, is not there any more
    Refused    Slack will never take this payload

It never tries again by itself and keeps nothing.
"""

from collections.abc import Callable
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.budget import POST, UPDATE, UPLOAD, Budget
from bot.ledger import Posted
from bot.views.message import Message

OUTAGE_SECONDS: Final = 1.0
"""The first wait after no answer; it doubles with every attempt (`outbox.py`)."""
UNINVITED_SECONDS: Final = 60.0
UNREACHED_SECONDS: Final = 60.0
"""For how long no file is uploaded after the host for files did not answer: another one, which a proxy may block for ever, and
each attempt at it lasts until its time limit."""

_GONE: Final = frozenset(
    {
        "message_not_found",
        "thread_not_found",
        "cannot_reply_to_message",
        "cant_update_message",
        "edit_window_closed",
    }
)
_UNINVITED: Final = frozenset(
    {"channel_not_found", "not_in_channel", "is_archived", "restricted_action"}
)
_WAITING: Final = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "team_added_to_org",
        "request_timeout",
        "account_inactive",
        "invalid_auth",
        "not_authed",
        "token_expired",
        "token_revoked",
        "missing_scope",
    }
)
_PEOPLE: Final = ("U", "W")
"""How a person's id begins: who has left Slack will not be there later either."""
_SERVER_ERROR: Final = 500
_THROTTLED: Final = 429

_log = structlog.get_logger(__name__)


class Undelivered(Exception):
    """The base of the three ways in which a message does not arrive; `word` is Slack's word for it, "" when it did not answer."""

    def __init__(self, reason: str, *, word: str = "") -> None:
        super().__init__(reason)
        self.word = word


class Later(Undelivered):
    """Not now; `seconds` says when, `attempted` whether Slack was asked at all."""

    def __init__(
        self, reason: str, seconds: float, *, word: str = "", attempted: bool = True
    ) -> None:
        super().__init__(reason, word=word)
        self.seconds = seconds
        self.attempted = attempted


class Gone(Undelivered):
    """What was to be edited or answered is not there any more."""


class Refused(Undelivered):
    """Slack refuses the payload; the text says where it is wrong."""


class Courier:
    """Carries messages.

    Args:
        client: Slack's Web API with the bot's token and without retries of its own.
        budget: Shared by all messages.
    """

    def __init__(self, client: WebClient, budget: Budget) -> None:
        self._client = client
        self._budget = budget

    def post(self, channel: str, message: Message, thread_ts: str = "") -> Posted:
        """Post a message; raises Undelivered."""
        answer = self._call(
            POST,
            channel,
            lambda: self._client.chat_postMessage(
                channel=channel,
                text=message.text,
                blocks=message.blocks,
                thread_ts=thread_ts or None,
                unfurl_links=False,
                unfurl_media=False,
            ),
        )
        return Posted(str(answer["channel"]), str(answer["ts"]))

    def edit(self, posted: Posted, message: Message, *, leave: float = 0.0) -> None:
        """Replace a message as a whole; `leave` keeps room for more important edits. Raises Undelivered."""
        self._call(
            UPDATE,
            "",
            lambda: self._client.chat_update(
                channel=posted.channel, ts=posted.ts, text=message.text, blocks=message.blocks
            ),
            leave=leave,
        )

    def upload(self, thread: Posted, name: str, title: str, content: str) -> None:
        """Put a text file into a thread; raises Undelivered."""
        self._call(
            UPLOAD,
            "",
            lambda: self._client.files_upload_v2(
                channel=thread.channel,
                thread_ts=thread.ts,
                filename=name,
                title=title,
                content=content,
            ),
        )

    def link(self, posted: Posted) -> str:
        """The address of a message; "" when Slack does not tell it: what would hold the link is worth more."""
        try:
            found = self._client.chat_getPermalink(channel=posted.channel, message_ts=posted.ts)
        except (SlackClientError, OSError) as error:
            _log.info("no_permalink", channel=posted.channel, error=str(error))
            return ""
        return str(found["permalink"])

    def _call(
        self,
        method: str,
        channel: str,
        call: Callable[[], SlackResponse],
        *,
        leave: float = 0.0,
    ) -> Any:
        wait = self._budget.take(method, channel, leave=leave)
        if wait > 0:
            raise Later("the budget is used up", wait, attempted=False)
        try:
            return call()
        except SlackApiError as error:
            raise self._sorted(method, channel, error) from error
        except (SlackClientError, OSError) as error:
            raise self._unanswered(method, error) from error

    def _unanswered(self, method: str, error: Exception) -> Later:
        seconds = OUTAGE_SECONDS
        if method == UPLOAD:
            seconds = UNREACHED_SECONDS
            self._budget.block(UPLOAD, seconds)
        return Later(f"Slack does not answer ({type(error).__name__})", seconds)

    def _sorted(self, method: str, channel: str, error: SlackApiError) -> Undelivered:
        answer = error.response
        word = str(answer.get("error"))
        if answer.status_code == _THROTTLED or word == "ratelimited":
            seconds = float(answer.headers.get("Retry-After", OUTAGE_SECONDS))
            self._budget.block(method, seconds)
            return Later("Slack asked for fewer messages", seconds, attempted=False)
        if word in _GONE:
            return Gone(word, word=word)
        if word in _UNINVITED and not channel.startswith(_PEOPLE):
            return Later(word, UNINVITED_SECONDS, word=word)
        if not word.isidentifier():
            # A page instead of Slack's JSON: a proxy's, or Slack's own in bad times.
            return self._unanswered(method, error)
        if word in _WAITING or answer.status_code >= _SERVER_ERROR:
            return Later(word, OUTAGE_SECONDS, word=word)
        details = (answer.get("response_metadata") or {}).get("messages") or ()
        _log.error("slack_refused", method=method, error=word, details=list(details))
        return Refused(f"{word}: {'; '.join(map(str, details))}".rstrip(": "), word=word)
