"""Where a secret could come to light in a whole story: the log, the ledger, what is said in Slack, what a worker writes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.sandbox import words_of
from bot.settings import Settings
from bot.views.buttons import APPROVE
from engine.lifecycle import Status
from tests.bot.forked import ForkedVerbs
from tests.bot.story import CHANNEL, GRACE, OLGA, Story

SOURCE_TOKEN, TARGET_TOKEN = "root:canary-of-the-source", "root:canary-of-the-target"
NOWHERE = "http://127.0.0.1:9"


def test_no_secret_comes_to_light(
    story_of: Callable[[Settings], Story],
    world: Settings,
    forked: ForkedVerbs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A migration that succeeds, one whose target is gone and the doctor: no token in a log, in Slack or in the ledger."""
    monkeypatch.setenv("OLD_TOKEN", SOURCE_TOKEN)
    monkeypatch.setenv("NEW_TOKEN", TARGET_TOKEN)
    clusters = {
        name: world.clusters[name].model_copy(update={"token_env": f"{name.upper()}_TOKEN"})
        for name in ("old", "new")
    }
    gone = clusters["new"].model_copy(update={"uri": NOWHERE})
    settings = world.model_copy(update={"clusters": {**clusters, "gone": gone}})
    structlog.reset_defaults()  # another test of this process may have sent the log elsewhere
    story = story_of(settings)
    sandbox = story.sandbox
    root = story.request()
    sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_status(root, Status.SUCCESSFUL)
    person = story.open_form(OLGA, source="old", target="gone", reason="Test")
    assert person.submit() is None
    sandbox.wait_for(lambda: "did not answer" in words_of(person.view), 90, "the answer")
    person.command("/migrate", "doctor", channel=CHANNEL)
    story.told(OLGA, "gone")
    sandbox.wait_for(lambda: not story.bot.records.pending(), 60, "everything told")
    story.stop()

    said = json.dumps([(e.method, e.args, e.result) for e in sandbox.journal], default=str)
    files = b"".join(file.content or b"" for file in sandbox.files)
    ledger = b"".join(path.read_bytes() for path in tmp_path.glob("ferry.db*"))
    workers = "".join(path.read_text() for path in forked.folder.glob("*.log"))
    log = "".join(capfd.readouterr())
    seen: dict[str, Any] = {"Slack": said, "files": files, "ledger": ledger, "log": log}
    assert all(seen.values())
    app = settings.slack_bot_token, settings.slack_app_token
    tokens = {SOURCE_TOKEN, TARGET_TOKEN, *(token.get_secret_value() for token in app)}
    parts = tokens | {token.partition(":")[2] for token in (SOURCE_TOKEN, TARGET_TOKEN)}
    everything = " ".join(map(str, (*seen.values(), workers)))
    assert [part for part in parts if part in everything] == []
