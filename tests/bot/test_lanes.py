"""Lists, forms and acknowledgements while everything else waits, over the socket and over HTTP."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from bot.lanes import LISTENER_THREADS
from bot.runtime import Bot, running_bot
from bot.sandbox import Sandbox, words_of
from bot.settings import Settings
from bot.settings import Web as WebSection
from bot.views.buttons import APPROVE
from bot.views.request_modal import CALLBACK_ID, Field
from bot.web import EVENTS_PATH
from tests.bot.requests import waiting
from tests.bot.story import ADA, CHANNEL, LINUS

CLICKS = LISTENER_THREADS + 12


@pytest.fixture(params=["socket", "http"])
def bot(request: pytest.FixtureRequest, sandbox: Sandbox, quiet: Settings) -> Iterator[Bot]:
    """A bot between clusters that are not there, over either transport."""
    slack = quiet.slack.model_copy(update={"transport": request.param})
    changed: dict[str, Any] = {"slack": slack, "web": WebSection(port=0)}
    if request.param == "http":
        changed["slack_signing_secret"] = sandbox.config.apps[0].signing_secret
    with running_bot(Settings.model_validate(quiet.model_dump() | changed)) as running:
        if request.param == "http":
            assert running.web is not None
            sandbox.deliver_to(running.web.url + EVENTS_PATH)
        else:
            sandbox.wait_for_app()
        yield running


@pytest.fixture
def offered(bot: Bot, sandbox: Sandbox) -> Callable[[], dict[str, Any]]:
    """`offered()`: a request in the channel, with its buttons."""

    def make() -> dict[str, Any]:
        waiting(bot.ledger)
        bot.narrator.wake()
        return sandbox.wait_for(lambda: sandbox.messages(CHANNEL), 60, "the request")[0]

    return make


@contextmanager
def locked(bot: Bot) -> Iterator[None]:
    """Somebody else writes to the ledger: whatever writes too waits, whatever reads does not."""
    path = bot.settings.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def busy() -> int:
    """How many threads of the lane for clicks were begun; a pool begins one only when all others have work."""
    return sum(thread.name.startswith("listener") for thread in threading.enumerate())


def test_a_list_is_answered_while_clicks_keep_every_other_thread_busy(
    bot: Bot, sandbox: Sandbox, offered: Callable[[], dict[str, Any]]
) -> None:
    """More clicks than threads wait for the ledger: each is acknowledged as it comes, and a list is answered at once."""
    root, ada, linus = offered(), sandbox.user(ADA), sandbox.user(LINUS)
    assert ada.command("/migrate", channel=CHANNEL)
    ada.wait_for_view(CALLBACK_ID)
    before = len(sandbox.journal.envelopes("interactive"))
    with locked(bot):
        for _ in range(CLICKS):
            linus.click(root, APPROVE)
        sandbox.wait_for(lambda: busy() == LISTENER_THREADS, 30, "all threads busy")
        assert ada.suggest(Field.SOURCE)["options"]
        sent = sandbox.journal.envelopes("interactive")[before:]
        assert [each.acked for each in sent] == [True] * (CLICKS + 1)
        assert linus.ephemerals(CHANNEL) == []
    sandbox.wait_for(lambda: len(linus.ephemerals(CHANNEL)) == CLICKS, 60, "every answer")


def test_nobody_waits_for_slacks_rate_limit(
    sandbox: Sandbox, offered: Callable[[], dict[str, Any]]
) -> None:
    """Who cannot be answered in the channel because Slack has had too much is answered directly, and no thread sleeps for it."""
    root = offered()
    sandbox.fail_next("chat.postEphemeral", retry_after=300)
    sandbox.user(LINUS).click(root, APPROVE)
    said = sandbox.wait_for(
        lambda: sandbox.messages(sandbox.direct_channel(LINUS)), 60, "the answer"
    )
    assert "You may not do this" in words_of(said[0])


@pytest.mark.usefixtures("bot")
def test_what_slack_has_too_much_of_is_drawn_later(sandbox: Sandbox) -> None:
    """A form and a Home tab that Slack refuses to draw for its rate limit are drawn when it takes them again."""
    ada = sandbox.user(ADA)
    sandbox.fail_next("views.publish", retry_after=0)
    ada.open_home()
    sandbox.wait_for(lambda: ada.home and "Jobs" in words_of(ada.home), 60, "the Home tab")
    assert ada.command("/migrate", channel=CHANNEL)
    ada.wait_for_view(CALLBACK_ID)
    sandbox.fail_next("views.update", retry_after=0)
    ada.fill(Field.ON_CONFLICT, "replace")
    sandbox.wait_for(lambda: "Replace deletes" in words_of(ada.view), 60, "the form's new shape")
