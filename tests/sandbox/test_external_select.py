"""External selects: typing asks the app, within Slack's rules for queries and answers."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt import App

from bot.sandbox import ActRefusedError, Sandbox

Json = dict[str, Any]
Build = Callable[..., Json]


def options(*values: str) -> list[Json]:
    """Options whose label is the value in capitals."""
    return [{"text": {"type": "plain_text", "text": v.upper()}, "value": v} for v in values]


@pytest.fixture
def queries(app: App) -> list[Json]:
    """Answers searches in the list "where" and collects them."""
    asked: list[Json] = []

    @app.options("where")
    def offer(ack: Any, body: Json) -> None:
        asked.append(body)
        known = ["harbour", "hangar", "depot"]
        ack(options=options(*(name for name in known if body["value"] in name)))

    return asked


def test_external_select(
    open_form: Callable[[Json], Json],
    app: App,
    queries: list[Json],
    sandbox: Sandbox,
    modal: Build,
    field: Build,
) -> None:
    """Typing asks the app; the chosen option is submitted whole, by value or by label."""
    got: list[Json] = []

    @app.view("form")
    def submitted(ack: Any, view: Json) -> None:
        ack()
        got.append(view["state"]["values"]["where_block"]["where"])

    open_form(modal(field("where", "external_select", min_query_length=0)))
    ada = sandbox.user("U1")
    offered = [o["value"] for o in ada.suggest("where", "ha")["options"]]
    assert offered == ["harbour", "hangar"]
    assert queries[0]["view"]["callback_id"] == "form"
    ada.fill("where", "DEPOT")
    assert ada.submit() is None
    assert sandbox.wait_for(lambda: got)[0]["selected_option"] == options("depot")[0]


def test_short_query_asks_nobody(
    open_form: Callable[[Json], Json],
    queries: list[Json],
    sandbox: Sandbox,
    modal: Build,
    field: Build,
) -> None:
    """Below min_query_length (3 unless set) the app is not asked."""
    open_form(modal(field("where", "external_select")))
    assert sandbox.user("U1").suggest("where", "ha") == {"options": []}
    assert queries == []
    assert sandbox.user("U1").suggest("where", "han")["options"]


def test_option_that_the_app_does_not_offer(
    open_form: Callable[[Json], Json],
    queries: list[Json],
    sandbox: Sandbox,
    modal: Build,
    field: Build,
) -> None:
    """What the app does not offer cannot be chosen."""
    open_form(modal(field("where", "external_select", min_query_length=0)))
    with pytest.raises(ActRefusedError, match="not among the options"):
        sandbox.user("U1").fill("where", "moon")
    assert len(queries) == 2


@pytest.mark.parametrize("bad", ["too many", "no answer"])
def test_options_that_cannot_be_loaded(
    open_form: Callable[[Json], Json],
    app: App,
    sandbox: Sandbox,
    modal: Build,
    field: Build,
    bad: str,
) -> None:
    """More than 100 options, or none in time, and the list cannot be loaded."""

    @app.options("where")
    def offer(ack: Any) -> None:
        if bad == "too many":
            ack(options=options(*map(str, range(101))))

    open_form(modal(field("where", "external_select", min_query_length=0)))
    sandbox.timing.ack = 0.3
    with pytest.raises(ActRefusedError, match="could not be loaded"):
        sandbox.user("U1").suggest("where")
