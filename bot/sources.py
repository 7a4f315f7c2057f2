"""The databases and collections that people choose from, asked of the live clusters within the time that Slack gives.

Slack waits three seconds for options. A cluster that takes longer is not waited for: what it answered before is offered, and its
answer is kept for the next try. It only lists names.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Final, NamedTuple, TypeAlias, TypeVar

import structlog

from bot.settings import Settings
from bot.verbs import Verbs
from engine.errors import FerryError, ServiceUnavailable
from engine.model import Request, Secrets

ANSWER_SECONDS: Final = 2.0
"""Of Slack's three; the rest is the way there and back."""
KEEP_SECONDS: Final = 20.0
"""So long an answer counts as new. An older one is asked for again, and offered only when the new one does not come in time."""

_log = structlog.get_logger(__name__)

Names: TypeAlias = tuple[str, ...]
Answer = TypeVar("Answer")


class _Kept(NamedTuple):
    at: float
    names: Names


class Sources:
    """Lists names; one question per cluster and database at a time, however many people type.

    Args:
        settings: The clusters.
        verbs: The engine.
        answer_seconds: How long an answer is waited for.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        verbs: Verbs,
        *,
        answer_seconds: float = ANSWER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._verbs = verbs
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="sources")
        self._asked: dict[tuple[str, ...], Future[Names]] = {}
        self._kept: dict[tuple[str, ...], _Kept] = {}
        self._guard = threading.Lock()

    def close(self) -> None:
        """Ask nothing more; what was asked is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def clusters(self) -> Names:
        """The names of the configured clusters."""
        return tuple(sorted(self._settings.clusters))

    def databases(self, cluster: str) -> Names:
        """The databases of a cluster that may be chosen.

        Raises:
            FerryError: The cluster refuses, is not configured, or does not answer in time.
        """
        endpoint = self._settings.endpoint(cluster)
        allowed = self._settings.clusters[cluster].databases
        if allowed:
            return allowed
        token = self._settings.token_of(endpoint)
        return self._ask((cluster,), lambda: self._verbs.list_databases(endpoint, token))

    def collections(self, cluster: str, database: str) -> Names:
        """The collections of a database; raises FerryError as `databases` does."""
        endpoint = self._settings.endpoint(cluster, database)
        token = self._settings.token_of(endpoint)
        key = (cluster, endpoint.database)
        return self._ask(key, lambda: self._verbs.list_collections(endpoint, token))

    def places(self) -> Mapping[str, Names]:
        """The names of the configured clusters by where they belong: "organization / project"."""
        found: dict[str, Names] = {}
        for name in self.clusters():
            place = self._settings.clusters[name].place
            label = f"{place.organization} / {place.project}"
            found[label] = (*found.get(label, ()), name)
        return dict(sorted(found.items()))

    def keys_in_question(self, request: Request) -> Names | None:
        """The collections of the source's database for which `auto_id` makes a difference, whichever the request names.

        It never waits: None while that is being found out, which `when_keys_known` hears of, or when a cluster does not say it.
        """
        whole = request.model_copy(update={"collections": ()})
        token = self._settings.token_of
        try:
            secrets = Secrets(token(whole.source), token(whole.target))
            kept, asked = self._begun(
                _keys_of(whole), lambda: self._verbs.keys_in_question(whole, secrets)
            )
            if asked.done():
                return asked.result()
        except FerryError as error:
            _log.debug("keys_unknown", source=str(whole.source), error=str(error))
            return None
        return kept.names if kept else None

    def when_databases_known(self, cluster: str, then: Callable[[], None]) -> None:
        """Call `then` when a cluster that was too slow has said its databases after all; not at all when it refuses."""
        self._when_known((cluster,), then)

    def when_keys_known(self, request: Request, then: Callable[[], None]) -> None:
        """Call `then` when it is known where `auto_id` makes a difference; not at all when a cluster refuses."""
        self._when_known(_keys_of(request), then)

    def _when_known(self, key: tuple[str, ...], then: Callable[[], None]) -> None:
        with self._guard:
            asked = self._asked.get(key)
        if asked is not None:
            asked.add_done_callback(lambda answer: None if _failed(answer) else then())

    def within(self, question: Callable[[], Answer]) -> Answer | None:
        """The answer to any slow question, or None when it takes longer than Slack would wait; it is not asked again."""
        try:
            return self._pool.submit(question).result(timeout=self._answer_seconds)
        except NotYet:
            return None

    def _ask(self, key: tuple[str, ...], question: Callable[[], Names]) -> Names:
        kept, asked = self._begun(key, question)
        try:
            return asked.result(timeout=self._answer_seconds)
        except NotYet:
            if kept is not None:
                return kept.names
            raise ServiceUnavailable(
                f"{key[0]} did not answer within {self._answer_seconds:g} seconds.",
                state="Nothing was changed.",
                next_step="Open the list again in a moment.",
            ) from None

    def _begun(
        self, key: tuple[str, ...], question: Callable[[], Names]
    ) -> tuple[_Kept | None, Future[Names]]:
        """What was answered before, and the question that is under way: the answer before, while that counts as new."""
        with self._guard:
            kept = self._kept.get(key)
            if kept is not None and self._clock() - kept.at <= KEEP_SECONDS:
                known: Future[Names] = Future()
                known.set_result(kept.names)
                return kept, known
            asked = self._asked.get(key)
            if asked is None or asked.done():
                asked = self._asked[key] = self._pool.submit(self._answer, key, question)
            return kept, asked

    def _answer(self, key: tuple[str, ...], question: Callable[[], Names]) -> Names:
        names = question()
        with self._guard:
            self._kept[key] = _Kept(self._clock(), names)
        return names


def _keys_of(request: Request) -> tuple[str, ...]:
    return ("keys", str(request.source), request.target.uri)


def _failed(answer: Future[Names]) -> bool:
    return answer.cancelled() or answer.exception() is not None
