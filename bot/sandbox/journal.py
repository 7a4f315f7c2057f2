"""What went over the wires: every Web API call, every envelope, every response_url post.

A record for tests and for people who look for a fault. Never decides anything.
"""

import itertools
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.errors import Json


@dataclass
class Entry:
    """One call, envelope or post.

    Attributes:
        at: seconds since the epoch.
        kind: call (Web API), envelope (Socket Mode), response_url, refused (an answer of the app
            that Slack does not accept).
        method: the API method, the envelope's type, or the kind of payload.
        args: what was sent.
        result: what was answered; for an envelope the payload of the acknowledgement.
        seconds: how long the answer took, None while there is none.
        acked: for envelopes: acknowledged in time, None while waiting.
        late: acknowledged after the deadline.
    """

    number: int
    at: float
    kind: str
    method: str
    args: Json
    result: Json | None = None
    seconds: float | None = None
    acked: bool | None = None
    late: bool = False
    retry: int | None = None

    @property
    def error(self) -> str | None:
        """Slack's error word of a refused call."""
        return self.result.get("error") if self.result else None


@dataclass
class Journal:
    """The last entries, oldest first."""

    limit: int = 20_000
    _entries: deque[Entry] = field(init=False)

    def __post_init__(self) -> None:
        self._entries = deque(maxlen=self.limit)
        self._numbers = itertools.count(1)

    def add(self, kind: str, method: str, args: Json, **known: Any) -> Entry:
        """Begin an entry; its result is filled in later."""
        entry = Entry(next(self._numbers), time.time(), kind, method, args, **known)
        self._entries.append(entry)
        return entry

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def calls(self, method: str | None = None) -> list[Entry]:
        """The Web API calls, of one method when it is named."""
        return self._of("call", method)

    def envelopes(self, method: str | None = None) -> list[Entry]:
        """The envelopes: slash_commands, events_api, interactive."""
        return self._of("envelope", method)

    def refused(self) -> list[Entry]:
        """Answers of the app (acknowledgements, response_url posts) that Slack does not accept."""
        return self._of("refused", None)

    def _of(self, kind: str, method: str | None) -> list[Entry]:
        return [e for e in self if e.kind == kind and method in {None, e.method}]
