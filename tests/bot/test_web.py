"""The bot's web server: Slack over HTTP, and what an orchestrator asks."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import create_server
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from slack_sdk.signature import SignatureVerifier

from bot.doctor import findings
from bot.runtime import Bot, running_bot
from bot.sandbox import Actor, Sandbox, words_of
from bot.settings import Settings, Web
from bot.verbs import EngineVerbs
from bot.views.request_modal import CALLBACK_ID, Field
from bot.web import BODY_BYTES_MAX, EVENTS_PATH, REPLAY_SECONDS, Seen
from engine.errors import ConfigurationInvalid

ADA, CHANNEL = "U0ADA", "C0MIGRATE"


@pytest.fixture
def over_http(sandbox: Sandbox, tmp_path: Path) -> Settings:
    """Settings of a bot to which Slack sends requests."""
    app = sandbox.config.apps[0]
    cluster = {"uri": "http://127.0.0.1:9", "organization": "acme", "project": "search"}
    return Settings.model_validate(
        {
            "database_url": f"sqlite:///{tmp_path}/web.db",
            "approvals_channel": CHANNEL,
            "slack": {"api_url": sandbox.api_url, "transport": "http"},
            "web": {"port": 0},
            "clusters": {"old": cluster},
            "roles": {"organization_owners": {"acme": [ADA]}},
            "slack_bot_token": app.bot_token,
            "slack_signing_secret": app.signing_secret,
        }
    )


@pytest.fixture
def served(sandbox: Sandbox, over_http: Settings) -> Iterator[Bot]:
    """That bot, and a Slack that sends it requests."""
    with running_bot(over_http) as bot:
        assert bot.web is not None
        sandbox.deliver_to(bot.web.url + EVENTS_PATH)
        yield bot


def post(bot: Bot, payload: dict[str, Any], *, at: int | None = None, secret: str = "") -> Any:
    """A function that sends one and the same signed request."""
    assert bot.web is not None
    body = json.dumps(payload)
    known = secret or bot.settings.slack_signing_secret.get_secret_value()
    timestamp = str(at or int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": SignatureVerifier(known).generate_signature(
            timestamp=timestamp, body=body
        ),
    }
    url = bot.web.url + EVENTS_PATH
    return lambda: httpx.post(url, content=body, headers=headers)


def choose(sandbox: Sandbox, person: Actor, field: Field, value: str) -> None:
    """Choose in a list, and wait until the form has its new shape."""
    before = (person.view or {})["hash"]
    person.fill(field, value)
    sandbox.wait_for(lambda: (person.view or {})["hash"] != before)


def test_everything_that_slack_sends_is_answered(sandbox: Sandbox, served: Bot) -> None:
    """Command, list, choice, submission and event come over HTTP as they do over the socket; no socket is opened."""
    assert served
    ada = sandbox.user(ADA)
    assert ada.command("/migrate", channel=CHANNEL)
    ada.wait_for_view(CALLBACK_ID)
    (option,) = ada.suggest(Field.SOURCE)["options"]
    assert ada.suggest(Field.SOURCE)["options"] == [option]  # the same request in the same second
    choose(sandbox, ada, Field.SOURCE, option["value"])
    (silent,) = ada.suggest(Field.SOURCE_DATABASE)["options"]
    choose(sandbox, ada, Field.SOURCE_DATABASE, silent["text"]["text"])
    choose(sandbox, ada, Field.TARGET, option["value"])
    ada.fill(Field.REASON, "Test")
    assert "Choose the database" in " ".join((ada.submit() or {}).values())
    ada.open_home()
    sandbox.wait_for(lambda: ada.home and "Jobs" in words_of(ada.home), what="the Home tab")
    assert sandbox.connections() == 0
    # The Home tab may be there before the answer to its event is.
    sandbox.wait_for(lambda: {each.acked for each in sandbox.journal.envelopes()} == {True})


def test_only_slacks_own_fresh_requests_are_taken(served: Bot) -> None:
    """A request that is stale, ahead, forged, unsigned or sent a second time is refused; its repetition, signed anew, is not."""
    challenge = {"type": "url_verification", "challenge": "abc"}
    first = post(served, challenge)
    assert first().json() == {"challenge": "abc"}
    again = first()
    assert (again.status_code, again.text) == (401, "replayed")
    now = int(time.time())
    assert post(served, challenge, at=now - 100)().status_code == 200
    refused = [
        post(served, challenge, at=now - 301),
        post(served, challenge, at=now + 360),
        post(served, challenge, secret="another"),
    ]
    assert [each().status_code for each in refused] == [401, 401, 401]
    assert served.web is not None
    url = served.web.url + EVENTS_PATH
    assert httpx.post(url, json=challenge).status_code == 401
    assert httpx.post(url, content=b"x" * (BODY_BYTES_MAX + 1)).status_code == 413


@pytest.mark.parametrize(
    ("timestamp", "signature", "body"),
    [
        ("now", "v0=é", b"{}"),
        ("²", "v0=0", b"{}"),
        ("1" * 5_000, "v0=0", b"{}"),
        ("now", "v0=0", b"\xff\xfe"),
    ],
    ids=["signature", "digit", "number", "body"],
)
def test_what_is_not_even_text_is_refused_like_any_unsigned_request(
    served: Bot, timestamp: str, signature: str, body: bytes
) -> None:
    """Whatever stands in the headers or the body of somebody else's request: 401, and the server goes on."""
    at = str(int(time.time())) if timestamp == "now" else timestamp
    given = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": signature}
    headers = {name: value.encode("latin-1") for name, value in given.items()}
    assert served.web is not None
    assert (
        httpx.post(served.web.url + EVENTS_PATH, content=body, headers=headers).status_code == 401
    )


def test_a_signature_is_remembered_as_long_as_it_is_valid() -> None:
    """After ten minutes a signature is too old for its timestamp, and is forgotten."""
    now = 0.0
    seen = Seen(lambda: now)
    assert seen.is_new("a")
    now = REPLAY_SECONDS
    assert not seen.is_new("a")
    assert seen.is_new("b")
    now = 2 * REPLAY_SECONDS
    assert seen.is_new("a")
    assert not seen.is_new("b")


def test_health_and_readiness_are_told(sandbox: Sandbox, over_http: Settings) -> None:
    """A bot on Socket Mode is healthy, ready while Slack is connected, and alive but not ready in an outage."""
    slack = over_http.slack.model_copy(update={"transport": "socket"})
    token = sandbox.config.apps[0].app_token
    settings = Settings.model_validate(
        over_http.model_dump() | {"slack": slack, "slack_app_token": token}
    )
    with running_bot(settings) as bot:
        assert bot.web is not None
        with httpx.Client(base_url=bot.web.url) as client:
            health = client.get("/healthz")
            assert (health.status_code, health.json()) == (
                200,
                {"narrator": True, "scheduler": True},
            )
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()) == (200, {"ledger": True, "slack": True})
            sandbox.outage()
            sandbox.wait_for(
                lambda: client.get("/readyz").json() == {"ledger": True, "slack": False}
            )
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
            assert client.post(EVENTS_PATH).status_code == 404
            bot.narrator.close()
            dead = client.get("/healthz")
            assert (dead.status_code, dead.json()["narrator"]) == (503, False)


def test_what_is_missing_for_http_is_named(over_http: Settings) -> None:
    """Without a signing secret nothing is started; an app token is not asked for."""
    bare = Settings.model_validate(over_http.model_dump() | {"slack_signing_secret": ""})
    with (
        pytest.raises(ConfigurationInvalid, match=r"Not set: SLACK_SIGNING_SECRET\."),
        running_bot(bare),
    ):
        pass


def test_the_doctor_looks_for_what_http_needs(over_http: Settings) -> None:
    """`ferry doctor` asks for the signing secret instead of the app token, and says where to find it."""
    settings = over_http.model_copy(update={"clusters": {}})
    bare = settings.model_copy(update={"slack_signing_secret": SecretStr("")})
    subjects = [
        {each.subject: each for each in findings(given, EngineVerbs())}
        for given in (settings, bare)
    ]
    assert all("Slack app token" not in found for found in subjects)
    well, missing = (found["Slack signing secret"] for found in subjects)
    assert (well.exit_code, missing.exit_code) == (0, 2)
    assert "SLACK_SIGNING_SECRET is not set" in missing.said


def test_a_taken_port_is_told(over_http: Settings) -> None:
    """An address at which another program listens ends the start with what to do."""
    with closing(create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        settings = over_http.model_copy(update={"web": Web(port=port)})
        with (
            pytest.raises(ConfigurationInvalid, match="Nothing can listen at"),
            running_bot(settings),
        ):
            pass
