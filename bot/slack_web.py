"""The client of Slack's Web API that all parts use: the configured address, a time limit, who repeats a call. It opens nothing."""

from typing import Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
)
from slack_sdk.http_retry.handler import RetryHandler

from bot.meter import Meter, Watch
from bot.settings import Settings

TOO_MANY: Final = 429
PAUSE_SECONDS: Final = 1.0
"""How long Slack is left alone when it does not say for how long."""
CALL_SECONDS: Final = 10
"""How long one call of Slack's Web API may take."""


def web_client(
    settings: Settings,
    *,
    token: str | None = None,
    retries: bool = True,
    meter: Meter | None = None,
) -> WebClient:
    """Slack's Web API at the configured address.

    Args:
        settings: Address and token.
        token: Another token; "" for none.
        retries: Whether a call waits for Retry-After and repeats; the courier does that by itself.
        meter: Counts the calls.
    """
    handlers: list[RetryHandler] = [Watch(meter)] if meter else []
    if retries:
        handlers += [ConnectionErrorRetryHandler(), RateLimitErrorRetryHandler(max_retry_count=2)]
    given = settings.slack_bot_token.get_secret_value() if token is None else token
    return WebClient(
        token=given or None,
        base_url=settings.slack.api_url,
        timeout=CALL_SECONDS,
        retry_handlers=handlers,
    )


def retry_after(error: SlackApiError) -> float | None:
    """For how many seconds Slack wants to be left alone; None when it refused for another reason than too many calls."""
    if error.response.status_code != TOO_MANY:
        return None
    return float(error.response.headers.get("Retry-After", PAUSE_SECONDS))
