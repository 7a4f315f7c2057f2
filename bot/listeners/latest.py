"""Which of several choices in one modal was the last: two that are made at once are drawn by two threads, in any order.

Each process knows of the choices that it got. It decides nothing about forms.
"""

import threading
from typing import Final

KEPT: Final = 1000
"""Modals that are remembered; the oldest is forgotten, which at worst leaves a form as it was drawn before."""


class Latest:
    """The time of the last thing that happened in each modal; safe to use from several threads."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._guard = threading.Lock()

    def happened(self, view_id: str, at: float) -> None:
        """Something happened in a modal.

        Args:
            view_id: The modal.
            at: Seconds since the epoch: an action's `action_ts`, or now.
        """
        with self._guard:
            self._at[view_id] = max(at, self._at.pop(view_id, at))
            if len(self._at) > KEPT:
                del self._at[next(iter(self._at))]

    def is_last(self, view_id: str, at: float) -> bool:
        """Whether nothing happened there after that."""
        with self._guard:
            return self._at.get(view_id) == at
