"""Every refusal of the Web API says exactly what Slack says."""

from typing import Any

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox import Sandbox, Timing, WorkspaceConfig

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}
LONG = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
MODAL = {"type": "modal", "title": {"type": "plain_text", "text": "t"}, "blocks": []}
HOME = {"type": "home", "blocks": []}

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("chat.nothing", {}, "unknown_method"),
    ("chat.postMessage", {"channel": "C9", "text": "x"}, "channel_not_found"),
    ("chat.postMessage", {"channel": "G1", "text": "x"}, "channel_not_found"),
    ("chat.postMessage", {"channel": "C2", "text": "x"}, "not_in_channel"),
    ("chat.postMessage", {"channel": "U3", "text": "x"}, "account_inactive"),
    ("chat.postMessage", {"channel": "C1"}, "no_text"),
    ("chat.postMessage", {"text": "x"}, "invalid_arguments"),
    ("chat.postMessage", {"channel": "C1", "blocks": [LONG]}, "invalid_blocks"),
    ("chat.postMessage", {"channel": "C1", "blocks": "{nonsense"}, "invalid_blocks_format"),
    ("chat.postMessage", {"channel": "C1", "blocks": {"type": "x"}}, "invalid_blocks_format"),
    (
        "chat.postMessage",
        {"channel": "C1", "text": "x", "attachments": [{"text": "a"}] * 101},
        "too_many_attachments",
    ),
    (
        "chat.postMessage",
        {"channel": "C1", "text": "x", "thread_ts": "1.000001"},
        "cannot_reply_to_message",
    ),
    (
        "chat.postMessage",
        {"channel": "C1", "text": "x", "markdown_text": "y"},
        "markdown_text_conflict",
    ),
    ("chat.update", {"channel": "C1", "ts": "1.000001", "text": "x"}, "message_not_found"),
    ("chat.update", {"channel": "U1", "ts": "1.000001", "text": "x"}, "channel_not_found"),
    ("chat.delete", {"channel": "C1", "ts": "1.000001"}, "message_not_found"),
    ("chat.postEphemeral", {"channel": "C1", "user": "U9", "text": "x"}, "user_not_in_channel"),
    ("chat.getPermalink", {"channel": "C1", "message_ts": "1.0"}, "message_not_found"),
    ("reactions.add", {"channel": "C1", "timestamp": "1.0", "name": "x"}, "message_not_found"),
    ("conversations.info", {"channel": "G1"}, "channel_not_found"),
    ("conversations.members", {"channel": "C9"}, "channel_not_found"),
    ("conversations.history", {"channel": "C2"}, "not_in_channel"),
    ("conversations.replies", {"channel": "C1", "ts": "1.0"}, "thread_not_found"),
    ("conversations.open", {"users": "U9"}, "user_not_found"),
    ("conversations.open", {"users": "U3"}, "user_disabled"),
    ("conversations.list", {"cursor": "what"}, "invalid_cursor"),
    ("users.info", {"user": "U9"}, "user_not_found"),
    ("users.lookupByEmail", {"email": "no@example.org"}, "users_not_found"),
    ("users.lookupByEmail", {"email": "gone@example.org"}, "users_not_found"),
    ("usergroups.users.list", {"usergroup": "S9"}, "no_such_subteam"),
    ("views.open", {"trigger_id": "1.2.x", "view": MODAL}, "invalid_trigger_id"),
    ("views.push", {"trigger_id": "1.2.x", "view": MODAL}, "invalid_trigger_id"),
    ("views.update", {"view_id": "V9", "view": MODAL}, "not_found"),
    ("views.update", {"view": MODAL}, "invalid_arguments"),
    ("views.publish", {"user_id": "U9", "view": HOME}, "user_not_found"),
    ("views.publish", {"user_id": "U1", "view": MODAL}, "invalid_arguments"),
    ("views.publish", {"user_id": "U1", "view": {"type": "home"}}, "invalid_arguments"),
    ("views.publish", {"user_id": "U1"}, "invalid_arguments"),
    ("files.getUploadURLExternal", {"filename": "a", "length": 0}, "invalid_arguments"),
    ("files.completeUploadExternal", {"files": [{"id": "F9"}]}, "file_not_found"),
    ("blocks.validate", {}, "invalid_arguments"),
]


@pytest.mark.parametrize(("method", "args", "error"), REFUSED)
def test_refusal(asking: WebClient, method: str, args: dict[str, Any], error: str) -> None:
    """A wrong call is answered with HTTP 200 and Slack's error word."""
    with pytest.raises(SlackApiError) as refused:
        asking.api_call(method, json=args)
    assert refused.value.response.status_code == 200
    assert refused.value.response["error"] == error


@pytest.mark.parametrize(
    ("method", "token", "error"),
    [
        ("auth.test", None, "not_authed"),
        ("auth.test", "xoxb-other", "invalid_auth"),
        ("auth.test", "xapp-sandbox", "not_allowed_token_type"),
        ("apps.connections.open", "xoxb-sandbox", "not_allowed_token_type"),
        ("apps.connections.open", "xapp-other", "invalid_auth"),
    ],
)
def test_token_refusal(shared: Sandbox, method: str, token: str | None, error: str) -> None:
    """A missing, an unknown and a wrong kind of token are told apart."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = httpx.post(shared.api_url + method, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (200, error)


@pytest.mark.parametrize("how", ["header", "form", "json", "query", "empty json"])
def test_every_way_to_send_arguments_works(shared: Sandbox, how: str) -> None:
    """Form, JSON, query and a JSON request with an empty body are all read."""
    url, token = f"{shared.api_url}auth.test", "xoxb-sandbox"
    bearer = {"Authorization": f"Bearer {token}"}
    ways: dict[str, dict[str, Any]] = {
        "header": {"headers": bearer},
        "form": {"data": {"token": token}},
        "json": {"json": {"token": token}},
        "query": {"params": {"token": token}},
        "empty json": {"headers": bearer | {"Content-Type": "application/json;charset=utf-8"}},
    }
    assert httpx.post(url, **ways[how]).json()["bot_id"] == "B0SANDBOX"


@pytest.mark.parametrize(("body", "error"), [("{", "invalid_json"), ("[1]", "json_not_object")])
def test_broken_json_is_refused(shared: Sandbox, body: str, error: str) -> None:
    """A body that is no JSON object is refused before anything else."""
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{shared.api_url}auth.test", content=body, headers=headers)
    assert answer.json()["error"] == error


def test_api_test_needs_no_token(shared: Sandbox) -> None:
    """api.test echoes its arguments, and the error it is asked for."""
    assert httpx.post(f"{shared.api_url}api.test", data={"a": "1"}).json()["args"] == {"a": "1"}
    failed = httpx.post(f"{shared.api_url}api.test", data={"error": "my_error"}).json()
    assert failed["error"] == "my_error"


def test_block_errors_carry_json_pointers(asking: WebClient) -> None:
    """A refused message names the place of each fault in response_metadata.messages."""
    with pytest.raises(SlackApiError) as refused:
        asking.chat_postMessage(channel="C1", text="x", blocks=[SECTION] * 3 + [LONG])
    assert refused.value.response["response_metadata"]["messages"] == [
        "[ERROR] failed to match all allowed schemas [json-pointer:/blocks/3/text]",
        "[ERROR] must be less than 3001 characters [json-pointer:/blocks/3/text/text]",
    ]


def test_view_errors_carry_json_pointers(asking: WebClient) -> None:
    """A refused view is answered with invalid_arguments and pointers beneath /view."""
    with pytest.raises(SlackApiError) as refused:
        asking.views_publish(user_id="U1", view={"type": "home", "blocks": [SECTION, LONG]})
    assert refused.value.response["error"] == "invalid_arguments"
    assert "[json-pointer:/view/blocks/1/text/text]" in str(refused.value.response.data)


def test_refused_message_is_not_stored(client: WebClient, sandbox: Sandbox) -> None:
    """A refused message leaves the channel as it was."""
    with pytest.raises(SlackApiError):
        client.chat_postMessage(channel="C1", text="x", blocks=[LONG])
    assert sandbox.messages("C1") == []


def test_missing_scope(description: dict[str, Any]) -> None:
    """With declared scopes a method beyond them says what it needs and what there is."""
    app = description["apps"][0] | {"scopes": ["commands", "users:read"]}
    config = WorkspaceConfig.model_validate(description | {"apps": [app]})
    with Sandbox(config, timing=Timing()) as sandbox:
        client = WebClient("xoxb-sandbox", base_url=sandbox.api_url)
        shown = client.users_info(user="U1")
        with pytest.raises(SlackApiError) as refused:
            client.chat_postMessage(channel="C1", text="x")
    answer = refused.value.response
    assert answer["error"] == "missing_scope"
    assert (answer["needed"], answer["provided"]) == ("chat:write", "commands,users:read")
    assert shown.headers["x-oauth-scopes"] == "commands,users:read"
    assert "email" not in shown["user"]["profile"]


def test_public_channels_open_up_with_their_scope(description: dict[str, Any]) -> None:
    """chat:write.public lets an app post into public channels that it is not in."""
    app = description["apps"][0] | {"scopes": ["chat:write", "chat:write.public"]}
    config = WorkspaceConfig.model_validate(description | {"apps": [app]})
    with Sandbox(config) as sandbox:
        client = WebClient("xoxb-sandbox", base_url=sandbox.api_url)
        client.chat_postMessage(channel="C2", text="hello")
        assert [m["text"] for m in sandbox.messages("C2")] == ["hello"]
        with pytest.raises(SlackApiError, match="channel_not_found"):
            client.chat_postMessage(channel="G1", text="hello")
