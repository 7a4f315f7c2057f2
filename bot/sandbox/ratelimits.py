"""Slack's rate limits per method and minute, off unless a test turns them on.

Counts calls in a sliding minute per app and method, chat.postMessage per channel and second too.
Source: the method table of Slack's Java SDK; "special" methods as their pages describe them.
"""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable

TIERS = {1: 1, 2: 20, 3: 50, 4: 100}
SPECIAL_PER_MINUTE = 300
MINUTE = 60.0
POSTS_PER_CHANNEL = 1
POST_BURST_SECONDS = 10.0
"""Slack tolerates short bursts above 1 message a second: the mean over this time counts."""


class RateLimits:
    """Decides whether a call comes too early.

    Attributes:
        enforced: False lets everything pass.
        scale: shortens the windows for tests; 0.01 makes a minute last 0.6 s.
        clock: seconds that never go back; a test may turn it by hand.
    """

    def __init__(self) -> None:
        self.enforced = False
        self.scale = 1.0
        self.clock: Callable[[], float] = time.monotonic
        self._calls: dict[tuple[str, ...], deque[float]] = defaultdict(deque)

    def retry_after(self, app_id: str, method: str, tier: int | None, channel: str) -> float | None:
        """Seconds to wait before this call may be made, None when it may be made now."""
        if not self.enforced:
            return None
        windows: list[tuple[tuple[str, ...], int, float]] = [
            ((app_id, method), TIERS.get(tier or 0, SPECIAL_PER_MINUTE), MINUTE)
        ]
        if method == "chat.postMessage":
            burst = int(POSTS_PER_CHANNEL * POST_BURST_SECONDS)
            windows.append(((app_id, method, channel), burst, POST_BURST_SECONDS))
        waits = [self._wait(key, limit, seconds * self.scale) for key, limit, seconds in windows]
        if worst := max(waits):
            return math.ceil(worst / self.scale) if self.scale == 1.0 else worst
        for key, _limit, _seconds in windows:
            self._calls[key].append(self.clock())
        return None

    def _wait(self, key: tuple[str, ...], limit: int, seconds: float) -> float:
        now, calls = self.clock(), self._calls[key]
        while calls and now - calls[0] >= seconds:
            calls.popleft()
        return seconds - (now - calls[0]) if len(calls) >= limit else 0.0
