"""Faults on request, rate limits, files: what surrounds a call."""

import time
from http.client import IncompleteRead
from typing import Any

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from bot.sandbox import Sandbox


def test_fail_next(client: WebClient, sandbox: Sandbox) -> None:
    """The next calls of one method fail with the given error, the one after succeeds."""
    sandbox.fail_next("chat.postMessage", "fatal_error", times=2)
    for _ in range(2):
        with pytest.raises(SlackApiError, match="fatal_error"):
            client.chat_postMessage(channel="C1", text="x")
    client.auth_test()
    client.chat_postMessage(channel="C1", text="y")
    assert [m["text"] for m in sandbox.messages("C1")] == ["y"]


def test_faults_come_one_after_the_other(client: WebClient, sandbox: Sandbox) -> None:
    """Several faults of a method are used up in order, and can be taken back."""
    for error in ("one", "two", "three"):
        sandbox.fail_next("auth.test", error)
    for error in ("one", "two"):
        with pytest.raises(SlackApiError, match=error):
            client.auth_test()
    sandbox.clear_faults()
    assert client.auth_test()["ok"]


def test_server_error_has_no_json(sandbox: Sandbox, client: WebClient) -> None:
    """Slack's own faults answer with their status and no JSON."""
    sandbox.fail_next("auth.test", status=502)
    with pytest.raises(SlackApiError) as refused:
        client.auth_test()
    assert refused.value.response.status_code == 502


def test_rate_limited_call_says_when_to_come_back(sandbox: Sandbox, client: WebClient) -> None:
    """A 429 has Retry-After; slack_sdk's handler waits and succeeds."""
    sandbox.fail_next("auth.test", "ratelimited", retry_after=1)
    with pytest.raises(SlackApiError) as refused:
        client.auth_test()
    assert refused.value.response.headers["Retry-After"] == "1"
    assert (refused.value.response.status_code, refused.value.response["error"]) == (
        429,
        "ratelimited",
    )
    sandbox.fail_next("auth.test", "ratelimited", retry_after=1)
    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    started = time.monotonic()
    assert client.auth_test()["ok"]
    assert time.monotonic() - started >= 1


def test_lost_answer(sandbox: Sandbox, client: WebClient) -> None:
    """A lost answer leaves the message posted and the caller without its ts."""
    sandbox.fail_next("chat.postMessage", lose_answer=True)
    with pytest.raises(IncompleteRead):
        client.chat_postMessage(channel="C1", text="x")
    assert [m["text"] for m in sandbox.messages("C1")] == ["x"]


def test_enforced_rate_limit(sandbox: Sandbox, client: WebClient) -> None:
    """With rate limits on, the 51st chat.update in a minute is refused, and later passes."""
    ts = client.chat_postMessage(channel="C1", text="x")["ts"]
    now = 1000.0
    sandbox.rate_limits.enforced, sandbox.rate_limits.clock = True, lambda: now
    for _ in range(50):
        client.chat_update(channel="C1", ts=ts, text="y")
    with pytest.raises(SlackApiError, match="ratelimited") as refused:
        client.chat_update(channel="C1", ts=ts, text="z")
    wait = float(refused.value.response.headers["Retry-After"])
    assert wait == 60
    now += wait
    assert client.chat_update(channel="C1", ts=ts, text="z")["ok"]


def test_posts_are_limited_per_channel(sandbox: Sandbox, client: WebClient) -> None:
    """A burst of posts into one channel is refused, another channel is not affected."""
    sandbox.rate_limits.enforced = True
    for _ in range(10):
        client.chat_postMessage(channel="C1", text="x")
    with pytest.raises(SlackApiError, match="ratelimited"):
        client.chat_postMessage(channel="C1", text="x")
    assert client.chat_postMessage(channel="G2", text="x")["ok"]


def test_journal_tells_calls(sandbox: Sandbox, client: WebClient) -> None:
    """The journal has each call with arguments, result and time, and never the token."""
    client.chat_postMessage(channel="C1", text="x")
    with pytest.raises(SlackApiError):
        client.chat_postMessage(channel="C9", text="x")
    good, bad = sandbox.journal.calls("chat.postMessage")
    assert (good.error, bad.error) == (None, "channel_not_found")
    assert good.args["text"] == "x"
    assert good.seconds is not None
    assert "xoxb" not in str(list(sandbox.journal))


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_thread", [False, True])
def test_file_upload(sandbox: Sandbox, client: WebClient, *, in_thread: bool) -> None:
    """files_upload_v2 shares a file in a channel or a thread, and the page can open it."""
    root = client.chat_postMessage(channel="C1", text="root")["ts"]
    where: dict[str, Any] = {"thread_ts": root} if in_thread else {}
    client.files_upload_v2(
        channel="C1",
        filename="report.csv",
        content="pk,kind\n1,missing\n",
        title="Mismatches",
        initial_comment="All of them.",
        **where,
    )
    shown = sandbox.thread("C1", root)[-1] if in_thread else sandbox.messages("C1")[-1]
    (file,) = shown["files"]
    assert (shown["text"], file["title"], file["name"]) == (
        "All of them.",
        "Mismatches",
        "report.csv",
    )
    assert file["mimetype"] == "text/csv"
    assert httpx.get(file["url"]).text == "pk,kind\n1,missing\n"
    (stored,) = sandbox.files
    assert stored.content == b"pk,kind\n1,missing\n"
    assert "[file] Mismatches (18 bytes)" in sandbox.transcript("C1")


def test_upload_of_another_length_is_refused(client: WebClient) -> None:
    """The bytes must be as many as announced; until then the file cannot be shared."""
    announced = client.files_getUploadURLExternal(filename="a.txt", length=5)
    assert httpx.post(str(announced["upload_url"]), content=b"1234").status_code == 400
    with pytest.raises(SlackApiError, match="file_not_found"):
        client.files_completeUploadExternal(files=[{"id": str(announced["file_id"])}])


@pytest.mark.parametrize(
    ("channel", "error"), [("C9", "channel_not_found"), ("C2", "not_in_channel")]
)
def test_file_into_a_wrong_channel(client: WebClient, channel: str, error: str) -> None:
    """A file can be shared only where the bot is."""
    with pytest.raises(SlackApiError, match=error):
        client.files_upload_v2(channel=channel, filename="a.txt", content="x")


def test_unknown_file(sandbox: Sandbox) -> None:
    """A file that does not exist is not found."""
    assert httpx.get(f"{sandbox.url}files/F9/a.txt").status_code == 404
