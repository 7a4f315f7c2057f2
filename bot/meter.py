"""What is counted as it happens, for `/metrics`: interactions, how soon they are acknowledged, and the calls of Slack's Web API.

Counting never fails and never waits for anything; labels take a handful of values, so that no name of a person, a migration or a
cluster becomes a series. What the ledger knows is not counted here: `metrics.py` reads it when somebody asks.
"""

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from slack_bolt import BoltRequest, BoltResponse
from slack_bolt.listener.listener_completion_handler import ListenerCompletionHandler
from slack_sdk.http_retry.handler import RetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState

ACKNOWLEDGED_BY: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Seconds; Slack waits for three (docs.slack.dev, "Handling user interaction")."""
OUTCOME: Final = "outcome"
"""Where an interaction's failure is noted in Bolt's context, for when its listener has ended."""

_TYPES: Final = frozenset(
    {"block_actions", "block_suggestion", "event_callback", "view_closed", "view_submission"}
)
_OK, _THROTTLED, _SERVER_ERROR = 200, 429, 500


class Meter:
    """The counters of one bot, in a registry of their own.

    Attributes:
        registry: Where `/metrics` reads them.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._interactions = Counter(
            "ferry_interactions",
            "What Slack sent, by kind and by what became of it.",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self._acknowledged = Histogram(
            "ferry_acknowledgement_seconds",
            "From when an interaction was read until it was acknowledged to Slack.",
            ("kind",),
            buckets=ACKNOWLEDGED_BY,
            registry=self.registry,
        )
        self._calls = Counter(
            "ferry_slack_calls",
            "Attempts to call a method of Slack's Web API, by outcome; throttled is HTTP 429.",
            ("method", "outcome"),
            registry=self.registry,
        )

    def interaction(self, payload: Mapping[str, Any], outcome: str) -> None:
        """Something that Slack sent has come to its end: answered, repeated, refused, failed, unheard, unacknowledged, unsigned."""
        self._interactions.labels(kind_of(payload), outcome).inc()

    def acknowledged(self, payload: Mapping[str, Any], seconds: float) -> None:
        """It was acknowledged, so many seconds after it had been read."""
        self._acknowledged.labels(kind_of(payload)).observe(seconds)

    def called(self, method: str, outcome: str) -> None:
        """Slack was asked: ok, refused, throttled, or unanswered (no answer, or an error of the server)."""
        self._calls.labels(method, outcome).inc()


class Watch(RetryHandler):
    """Sees every attempt of a `WebClient`, also those that another handler repeats; it has nothing repeated itself.

    It has to stand before the handlers that do: the SDK asks no further ones after them (slack_sdk 3.47).
    """

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter = meter

    def can_retry(
        self,
        *,
        state: RetryState,  # noqa: ARG002  # the SDK's signature
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,  # noqa: ARG002  # as above
    ) -> bool:
        """Count the attempt; never asks for another."""
        self._meter.called(request.url.rpartition("/")[2], _outcome(response))
        return False


class Completed(ListenerCompletionHandler):
    """Counts an interaction when its listener has ended."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def handle(self, request: BoltRequest, response: BoltResponse | None) -> None:  # noqa: ARG002  # Bolt's signature
        """The listener has ended; who failed was counted already."""
        if OUTCOME not in request.context:
            self._meter.interaction(request.body, "answered")


def kind_of(payload: Mapping[str, Any]) -> str:
    """Slack's word for what it sent: `command`, the payload's type, or `other`."""
    if payload.get("command"):
        return "command"
    kind = str(payload.get("type"))
    return kind if kind in _TYPES else "other"


def _outcome(response: HttpResponse | None) -> str:
    if response is None or response.status_code >= _SERVER_ERROR:
        return "unanswered"
    if response.status_code == _THROTTLED:
        return "throttled"
    well = response.status_code == _OK and (response.body or {}).get("ok")
    return "ok" if well else "refused"
