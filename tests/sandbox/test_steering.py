"""Starting, stopping, waiting, reading: what tests and a scripted story rely on."""

import asyncio
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import ValidationError
from slack_sdk import WebClient

from bot.sandbox import AppConfig, Sandbox, WorkspaceConfig, words_of

Json = dict[str, Any]


def mrkdwn(text: str) -> Json:
    """A mrkdwn text object."""
    return {"type": "mrkdwn", "text": text}


def test_sandbox_leaves_nothing_running(description: Json) -> None:
    """After the block its thread and its port are gone, and its state can still be read."""
    before = set(threading.enumerate())
    with Sandbox(WorkspaceConfig.model_validate(description)) as sandbox:
        WebClient("xoxb-sandbox", base_url=sandbox.api_url).chat_postMessage(channel="C1", text="x")
        address = sandbox.url
    assert set(threading.enumerate()) <= before
    assert [m["text"] for m in sandbox.messages("C1")] == ["x"]
    with pytest.raises(OSError, match="refused"):
        WebClient("xoxb-sandbox", base_url=address, retry_handlers=[]).api_test()
    with pytest.raises(RuntimeError, match="not running"):
        sandbox.user("U1").say("C1", "x")


def test_stopping_with_open_sockets(description: Json) -> None:
    """Open connections and event repetitions do not keep the sandbox from stopping."""
    from websockets.sync.client import connect as dial  # noqa: PLC0415  # one test only

    with Sandbox(WorkspaceConfig.model_validate(description)) as sandbox:
        client = WebClient("xapp-sandbox", base_url=sandbox.api_url)
        url = str(client.apps_connections_open(app_token="xapp-sandbox")["url"])
        live = sandbox.url.replace("http", "ws") + "sandbox/live?user=U1"
        with dial(url) as socket, dial(live) as page:
            socket.recv(timeout=30), page.recv(timeout=30)
            sandbox.user("U1").say("C1", "never acknowledged")
            sandbox.stop()


def test_wait_for_answers_what_came(sandbox: Sandbox, client: WebClient) -> None:
    """wait_for returns the predicate's answer as soon as a change makes it true."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sandbox.wait_for, lambda: sandbox.messages("C1"), 5)
        client.chat_postMessage(channel="C1", text="x")
        assert waiting.result(5)[0]["text"] == "x"


def test_wait_in_vain_shows_the_workspace(sandbox: Sandbox, client: WebClient) -> None:
    """A wait that ends in vain raises TimeoutError with everything that stands there."""
    client.chat_postMessage(channel="C1", text="only this")
    with pytest.raises(TimeoutError) as error:
        sandbox.wait_for(lambda: False, 0.1, "a miracle")
    told = str(error.value)
    assert told.startswith("a miracle did not come within 0.1 s")
    assert "only this" in told
    assert "call chat.postMessage C1 ok" in told


def test_many_threads_may_act(sandbox: Sandbox) -> None:
    """Actors can be used from any thread at once; nothing is lost."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: sandbox.user("U1").say("C1", str(n)), range(40)))
    texts = [m["text"] for m in sandbox.messages("C1")]
    assert sorted(texts, key=int) == [str(n) for n in range(40)]


def test_what_is_read_is_a_copy(sandbox: Sandbox) -> None:
    """Changing what was read does not change the workspace."""
    sandbox.user("U1").say("C1", "x")
    sandbox.messages("C1")[0]["text"] = "y"
    assert sandbox.messages("C1")[0]["text"] == "x"


def test_unknown_names_are_errors(sandbox: Sandbox) -> None:
    """An unknown person or channel is a KeyError, not an empty answer."""
    with pytest.raises(KeyError):
        sandbox.user("U9")
    with pytest.raises(KeyError):
        sandbox.messages("C9")


def test_groups_and_members_change(sandbox: Sandbox, client: WebClient) -> None:
    """A test can withdraw a role: the next lookup shows it."""
    sandbox.set_usergroup("S1", ["U2"])
    sandbox.set_members("C1", ["U2", "UBOT"])
    assert client.usergroups_users_list(usergroup="S1")["users"] == ["U2"]
    assert "C1" not in sandbox.user("U1").sees()["messages"]


def test_transcript(sandbox: Sandbox, client: WebClient, buttons: Callable[..., Json]) -> None:
    """A thread as text: names, words without markers, fields and tables in columns, buttons."""
    cells = [["Collection", "Entities"], ["docs", "10,000"]]
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Migration 7"}},
        {"type": "section", "text": mrkdwn("*Asked by* <@U1> in <#C1> &amp; <https://x.io|here>")},
        {"type": "section", "fields": [mrkdwn("*Source*\nalpha"), mrkdwn("*Target*\nbeta")]},
        {"type": "divider"},
        {
            "type": "table",
            "column_settings": [{"align": "left"}, {"align": "right"}],
            "rows": [[{"type": "raw_text", "text": c} for c in row] for row in cells],
        },
        {"type": "context", "elements": [mrkdwn(":white_check_mark: `verified`")]},
        buttons("approve", "reject"),
    ]
    root = client.chat_postMessage(channel="C1", text="x", blocks=blocks)["ts"]
    client.chat_postMessage(channel="C1", text="It runs.\nSlowly.", thread_ts=root)
    client.chat_postEphemeral(channel="C1", user="U2", text="Not you.", thread_ts=root)
    lines = [line.rstrip() for line in sandbox.transcript("C1", root).splitlines()]
    assert [line for line in lines if "Porter" not in line] == [
        "    Migration 7",
        "    ===========",
        "    Asked by @Ada Byron in #data & here",
        "    Source  alpha",
        "    Target  beta",
        "    " + "-" * 48,
        "    Collection  Entities",
        "    ----------  --------",
        "    docs          10,000",
        "    ✅ `verified`",
        "    [ Approve ]  [ Reject ]",
        "",
        "  |     It runs.",
        "  |     Slowly.",
        "",
        "  |     Not you.",
    ]
    assert "(only visible to Ben Ito)" in sandbox.transcript("C1")


def test_words_of_a_message() -> None:
    """words_of finds every text of a message wherever it stands."""
    field = {"type": "input", "label": mrkdwn("Why"), "element": {"placeholder": mrkdwn("hm")}}
    table = {"type": "table", "rows": [[{"type": "raw_text", "text": "cell"}]]}
    message = {"text": "top", "blocks": [field, table], "user": "U1"}
    assert words_of(message).split() == ["top", "Why", "cell"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"channels": [{"id": "C1", "name": "x", "members": ["U9"]}]}, "unknown members"),
        ({"usergroups": [{"id": "S1", "handle": "x", "users": ["U9"]}]}, "unknown members"),
        ({"users": [{"id": "U1", "name": "a"}, {"id": "U1", "name": "b"}]}, "given twice"),
        ({"users": [{"id": "U1", "name": "a", "tz": "Moon/Sea"}]}, "Moon/Sea"),
        ({"colour": "red"}, "colour"),
        ({"apps": [{"commands": [{"command": "port"}]}]}, "pattern"),
    ],
)
def test_wrong_description(change: Json, told: str) -> None:
    """A workspace that cannot be is refused with the reason."""
    good: Json = {"users": [{"id": "U1", "name": "a"}], "channels": []}
    with pytest.raises((ValidationError, KeyError)) as refused:
        WorkspaceConfig.model_validate(good | change)
    assert told in str(refused.value)


def test_app_from_a_manifest() -> None:
    """Commands, scopes, events and the Home tab come from the manifest; tokens from the caller."""
    manifest = {
        "display_information": {"name": "Porter"},
        "features": {
            "app_home": {"home_tab_enabled": True},
            "slash_commands": [{"command": "/port", "description": "Ports", "url": "https://x"}],
        },
        "oauth_config": {"scopes": {"bot": ["commands", "chat:write"]}},
        "settings": {"event_subscriptions": {"bot_events": ["app_home_opened"]}},
    }
    app = AppConfig.from_manifest(manifest, bot_token="xoxb-mine")
    assert (app.name, app.bot_token, app.home_tab) == ("Porter", "xoxb-mine", True)
    assert app.scopes == ("commands", "chat:write")
    assert [c.command for c in app.commands] == ["/port"]
    assert app.events == ("app_home_opened",)


def test_two_apps_are_kept_apart(description: Json) -> None:
    """Each app has its own token, its own commands and its own messages."""
    other = {"id": "A2", "name": "Other", "bot_user": "U2BOT", "bot_token": "xoxb-2"}
    other |= {"app_token": "xapp-2", "commands": [{"command": "/other"}]}
    apps = [*description["apps"], other]
    with Sandbox(WorkspaceConfig.model_validate(description | {"apps": apps})) as sandbox:
        first = WebClient("xoxb-sandbox", base_url=sandbox.api_url)
        second = WebClient("xoxb-2", base_url=sandbox.api_url)
        assert second.auth_test()["app_id"] == "A2"
        ts = first.chat_postMessage(channel="C1", text="x")["ts"]
        refused = second.api_call  # the other app's message is not its own to change
        with pytest.raises(Exception, match="cant_update_message"):
            refused("chat.update", json={"channel": "C1", "ts": ts, "text": "y"})
        assert sandbox.direct_channel("U1", "A2") != sandbox.direct_channel("U1", "A1")


def test_calls_from_the_servers_own_loop_are_impossible(sandbox: Sandbox) -> None:
    """Asking from inside the server's loop would wait for itself; it is refused."""

    async def ask() -> None:
        sandbox.messages("C1")

    loop = sandbox._loop
    assert loop is not None
    with pytest.raises(RuntimeError, match="own thread"):
        asyncio.run_coroutine_threadsafe(ask(), loop).result(5)


def test_example_in_the_package_works(capsys: pytest.CaptureFixture[str]) -> None:
    """The example that the package's docstring shows can be copied and runs."""
    import bot.sandbox  # noqa: PLC0415  # its docstring is what is tested

    paragraphs = str(bot.sandbox.__doc__).split("\n\n")
    code = textwrap.dedent("\n\n".join(p for p in paragraphs if p.startswith("    ")))
    # This client closes within three seconds, the other one sometimes after ten.
    code = code.replace("socket_mode.websocket_client", "socket_mode.builtin")
    exec(code, {})  # our own text
    assert "Hi" in capsys.readouterr().out
