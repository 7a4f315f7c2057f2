"""Slack's requests to an app over HTTP: signed, in the form of each kind, with the headers of a repetition.

Sends one and returns what the app answered; deadlines and journal are the hub's. Source: Slack's pages "Verifying requests from
Slack", "Slash commands", "Handling user interaction" and "Events API".
"""

import asyncio
import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from bot.sandbox.errors import Json

THREADS = 64
SIGNED_AS = "v0"


def signed(secret: str, body: bytes, timestamp: int) -> dict[str, str]:
    """The headers by which an app knows that a request is Slack's."""
    text = f"{SIGNED_AS}:{timestamp}:".encode() + body
    digest = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": str(timestamp),
        "X-Slack-Signature": f"{SIGNED_AS}={digest}",
    }


def encoded(kind: str, payload: Json) -> tuple[bytes, str]:
    """A payload's bytes and content type.

    Args:
        kind: slash_commands, interactive or events_api, as in Socket Mode.
        payload: what Slack would send.
    """
    if kind == "events_api":
        return json.dumps(payload).encode(), "application/json"
    fields = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    return urlencode(fields).encode(), "application/x-www-form-urlencoded"


class HttpMode:
    """Sends requests; several at the same time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="slack-http")

    async def send(
        self,
        url: str,
        secret: str,
        kind: str,
        payload: Json,
        *,
        seconds: float,
        attempt: int | None = None,
    ) -> Json:
        """The payload that the app answered with.

        Raises:
            ConnectionError: nobody answers, or not with status 200.
            TimeoutError: not within `seconds`.
        """
        body, content_type = encoded(kind, payload)
        headers = {"Content-Type": content_type, **signed(secret, body, int(time.time()))}
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_timeout"}
        request = urllib.request.Request(url, body, headers)  # noqa: S310  # the test's own address
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _answer, request, seconds)

    def close(self) -> None:
        """Send nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _answer(request: urllib.request.Request, seconds: float) -> Json:
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310  # as above
            text = answer.read().decode()
            as_json = answer.headers.get_content_type() == "application/json"
    except urllib.error.HTTPError as error:
        raise ConnectionError(f"the app answered {error.code}") from error
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(f"the app does not answer: {error}") from error
    if as_json and text:
        given: Json = json.loads(text)
        return given
    return {"text": text} if text else {}
