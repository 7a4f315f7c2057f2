"""The threads on which listeners run: what Slack waits for has threads of its own, which no other work can keep busy.

Searches in lists and submitted forms are answered by their acknowledgement, within three seconds (docs.slack.dev, "Handling user
interaction"); everything else is acknowledged before it is worked on and may wait. Nothing is decided here but where it runs.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

ANSWERED: Final = frozenset({"block_suggestion", "view_submission"})
"""The payloads that Slack wants an answer to in the acknowledgement itself."""
ANSWER_THREADS: Final = 16
LISTENER_THREADS: Final = 32
"""Bolt's own five would let a burst of clicks wait behind each other."""

Given = ParamSpec("Given")
Result = TypeVar("Result")


def is_answered(payload: Mapping[str, Any]) -> bool:
    """Whether Slack waits for an answer in the acknowledgement."""
    return payload.get("type") in ANSWERED


class Lanes(Executor):
    """Bolt's executor: a listener runs on the lane that was chosen last by the thread that hands it over."""

    def __init__(self) -> None:
        self._answering = ThreadPoolExecutor(ANSWER_THREADS, thread_name_prefix="answer")
        self._working = ThreadPoolExecutor(LISTENER_THREADS, thread_name_prefix="listener")
        self._here = threading.local()

    def choose(self, payload: Mapping[str, Any]) -> None:
        """What this thread hands over next is for this payload; Bolt itself hands over no more than a function."""
        self._here.lane = self._answering if is_answered(payload) else self._working

    def submit(
        self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs
    ) -> Future[Result]:
        """Run it on the chosen lane; without a choice where nobody waits for it."""
        lane: ThreadPoolExecutor = getattr(self._here, "lane", self._working)
        return lane.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT002  # the base's signature
        """Take no more; what was taken is done to its end, unless it is canceled."""
        for lane in (self._answering, self._working):
            lane.shutdown(wait, cancel_futures=cancel_futures)
