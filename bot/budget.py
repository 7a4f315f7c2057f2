"""How much may be said to Slack: token buckets per method and channel, shared by all migrations, and Retry-After.

Slack's limits: `chat.update` 50 a minute for the whole workspace (tier 3), uploads 100 (tier 4), about one message a second and
channel (docs.slack.dev, "Rate limits"). It never sleeps: it says how long to wait.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

UPDATE: Final = "chat.update"
POST: Final = "chat.postMessage"
UPLOAD: Final = "files.upload"


class Rate(NamedTuple):
    """A bucket: so many calls a second in the long run, so many at once after a pause."""

    per_second: float
    burst: int


RATES: Final[Mapping[str, Rate]] = MappingProxyType(
    {UPDATE: Rate(40 / 60, 8), POST: Rate(0.8, 2), UPLOAD: Rate(40 / 60, 6)}
)
"""What the bot allows itself: below Slack's own numbers, so that an answer to a click still finds room."""


class Budget:
    """The buckets; safe to use from several threads.

    Args:
        rates: By method; a method without one is not limited.
        clock: Monotonic seconds.
        spent: Begin with empty buckets: what a process before this one sent last is not known.
    """

    def __init__(
        self,
        rates: Mapping[str, Rate] = RATES,
        clock: Callable[[], float] = time.monotonic,
        *,
        spent: bool = False,
    ) -> None:
        self._rates = rates
        self._clock = clock
        self._began = clock() if spent else -math.inf
        self._levels: dict[tuple[str, str], tuple[float, float]] = {}
        self._blocked: dict[str, float] = {}
        self._guard = threading.Lock()

    def take(self, method: str, channel: str = "", *, leave: float = 0.0) -> float:
        """Take one call, or say for how many seconds there is none.

        Args:
            method: Which one.
            channel: For methods that are limited per channel.
            leave: How much must stay in the bucket for what is more important.

        Returns:
            0.0 if the call may be made now; it is counted.
        """
        with self._guard:
            now = self._clock()
            blocked = self._blocked.get(method, now) - now
            rate = self._rates.get(method)
            if blocked > 0:
                return blocked
            if rate is None:
                return 0.0
            level = self._level(method, channel, rate, now)
            wanted = 1.0 + leave
            if level < wanted:
                return (wanted - level) / rate.per_second
            self._levels[method, channel] = (level - 1.0, now)
            return 0.0

    def block(self, method: str, seconds: float) -> None:
        """Slack answered 429: no call of this method for so long, in no channel."""
        with self._guard:
            until = self._clock() + seconds
            self._blocked[method] = max(until, self._blocked.get(method, until))

    def _level(self, method: str, channel: str, rate: Rate, now: float) -> float:
        level, at = self._levels.get((method, channel), (0.0, self._began))
        return min(float(rate.burst), level + (now - at) * rate.per_second)
