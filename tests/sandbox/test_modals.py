"""What a person does in a modal and what the app's answer does to it."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient

from bot.sandbox import ActRefusedError, Sandbox

Json = dict[str, Any]
Build = Callable[..., Json]


def choices(*values: str) -> list[Json]:
    """Options whose label is the value in capitals."""
    return [{"text": {"type": "plain_text", "text": v.upper()}, "value": v} for v in values]


@pytest.fixture
def submissions(app: App) -> list[Json]:
    """Collects the view_submission payloads of the form and acknowledges them."""
    payloads: list[Json] = []

    @app.view("form")
    def submitted(ack: Any, body: Json) -> None:
        ack()
        payloads.append(body)

    return payloads


FIELDS: list[tuple[str, dict[str, Any], Any, str, Any]] = [
    ("plain_text_input", {}, "text", "value", "text"),
    ("email_text_input", {}, "a@b.io", "value", "a@b.io"),
    ("url_text_input", {}, "https://b.io", "value", "https://b.io"),
    ("number_input", {"is_decimal_allowed": False}, 7, "value", "7"),
    ("datepicker", {}, "2026-11-23", "selected_date", "2026-11-23"),
    ("timepicker", {}, "08:30", "selected_time", "08:30"),
    ("datetimepicker", {}, 1_700_000_000, "selected_date_time", 1_700_000_000),
    ("users_select", {}, "U2", "selected_user", "U2"),
    ("channels_select", {}, "C1", "selected_channel", "C1"),
    ("conversations_select", {}, "C1", "selected_conversation", "C1"),
    ("multi_users_select", {}, ["U1", "U2"], "selected_users", ["U1", "U2"]),
    ("static_select", {"options": choices("x", "y")}, "y", "selected_option", choices("y")[0]),
    ("static_select", {"options": choices("x", "y")}, "Y", "selected_option", choices("y")[0]),
    ("radio_buttons", {"options": choices("x", "y")}, "x", "selected_option", choices("x")[0]),
    ("checkboxes", {"options": choices("x", "y")}, ["x"], "selected_options", choices("x")),
    (
        "multi_static_select",
        {"options": choices("x", "y")},
        ["x", "y"],
        "selected_options",
        choices("x", "y"),
    ),
]


@pytest.mark.parametrize(("kind", "element", "given", "key", "value"), FIELDS)
def test_field_reaches_the_app(  # one row of the table
    open_form: Callable[[Json], Json],
    submissions: list[Json],
    sandbox: Sandbox,
    modal: Build,
    field: Build,
    kind: str,
    element: dict[str, Any],
    given: Any,
    key: str,
    value: Any,
) -> None:
    """Every kind of field arrives in view.state.values in Slack's shape."""
    open_form(modal(field("it", kind, **element)))
    ada = sandbox.user("U1")
    ada.fill("it", given)
    assert ada.submit() is None
    sandbox.wait_for(lambda: submissions)
    state = submissions[0]["view"]["state"]["values"]["it_block"]["it"]
    assert state == {"type": kind, key: value}


CHECKED: list[tuple[str, dict[str, Any], Any, str]] = [
    ("plain_text_input", {}, None, "Please complete this required field."),
    ("plain_text_input", {"min_length": 3}, "ab", "Must be at least 3 characters long."),
    ("plain_text_input", {"max_length": 3}, "abcd", "Must be at most 3 characters long."),
    ("number_input", {"is_decimal_allowed": True}, "many", "Please enter a number."),
    ("number_input", {"is_decimal_allowed": False}, "1.5", "Please enter a whole number."),
    ("number_input", {"is_decimal_allowed": True, "min_value": "2"}, "1", "Must be at least 2."),
    ("number_input", {"is_decimal_allowed": True, "max_value": "2"}, "3", "Must be at most 2."),
    ("email_text_input", {}, "nobody", "Please enter a valid email address."),
    ("url_text_input", {}, "nowhere", "Please enter a valid URL."),
    ("checkboxes", {"options": choices("x")}, [], "Please complete this required field."),
    ("multi_users_select", {"max_selected_items": 1}, ["U1", "U2"], "Choose at most 1."),
]


@pytest.mark.parametrize(("kind", "element", "given", "text"), CHECKED)
def test_bad_field_is_not_submitted(  # one row of the table
    open_form: Callable[[Json], Json],
    submissions: list[Json],
    sandbox: Sandbox,
    modal: Build,
    field: Build,
    kind: str,
    element: dict[str, Any],
    given: Any,
    text: str,
) -> None:
    """Slack's client stops a bad field: the text stands at it and the app hears nothing."""
    open_form(modal(field("it", kind, **element)))
    ada = sandbox.user("U1")
    ada.fill("it", given)
    assert ada.submit() == {"it_block": text}
    assert ada.wait_for_view()["errors"] == {"it_block": text}
    assert submissions == []
    assert sandbox.journal.envelopes("interactive") == []


def test_optional_field_may_stay_empty(
    open_form: Callable[[Json], Json],
    submissions: list[Json],
    sandbox: Sandbox,
    modal: Build,
    field: Build,
) -> None:
    """An optional field is submitted empty."""
    open_form(modal(field("it", optional=True)))
    assert sandbox.user("U1").submit() is None
    sandbox.wait_for(lambda: submissions)


def test_filling_a_field_clears_its_error(
    open_form: Callable[[Json], Json], sandbox: Sandbox, modal: Build, field: Build
) -> None:
    """The text at a field goes away when the field is filled."""
    open_form(modal(field("it")))
    ada = sandbox.user("U1")
    ada.submit()
    ada.fill("it", "x")
    assert ada.wait_for_view()["errors"] == {}


@pytest.fixture
def answer(app: App) -> Json:
    """What the app acknowledges submissions with; filled in by the test."""
    given: Json = {}

    @app.view("form")
    def submitted(ack: Any) -> None:
        ack(**given)

    return given


def test_errors_stand_at_their_field(
    open_form: Callable[[Json], Json], sandbox: Sandbox, modal: Build, field: Build, answer: Json
) -> None:
    """response_action errors keeps the modal open and shows the text at the input."""
    open_form(modal(field("it")))
    answer |= {"response_action": "errors", "errors": {"it_block": "No such thing."}}
    ada = sandbox.user("U1")
    ada.fill("it", "x")
    assert ada.submit() == {"it_block": "No such thing."}
    assert ada.wait_for_view()["values"]["it_block"]["it"]["value"] == "x"


def test_errors_at_other_blocks_are_trouble(
    open_form: Callable[[Json], Json], sandbox: Sandbox, modal: Build, field: Build, answer: Json
) -> None:
    """Errors for a block that is no input show Slack's trouble text and stand in the journal."""
    section = {"type": "section", "block_id": "s", "text": {"type": "mrkdwn", "text": "x"}}
    open_form(modal(section, field("it", optional=True)))
    answer |= {"response_action": "errors", "errors": {"s": "No."}}
    assert sandbox.user("U1").submit() == {"": "We had some trouble connecting. Try again?"}
    assert [e.method for e in sandbox.journal.refused()] == ["view_submission"]


def test_update_push_and_clear(
    open_form: Callable[[Json], Json], sandbox: Sandbox, modal: Build, answer: Json
) -> None:
    """A submission can change the modal, lay another over it, or close them all."""
    first = open_form(modal())
    ada = sandbox.user("U1")
    title = {"type": "plain_text", "text": "Step 2"}
    answer |= {"response_action": "update", "view": modal(title=title)}
    assert ada.submit() is None
    second = ada.wait_for_view(title="Step 2")
    assert second["view_id"] == first["view_id"]
    answer |= {"response_action": "push"}
    assert ada.submit() is None
    assert ada.wait_for_view()["depth"] == 2
    answer |= {"response_action": "clear"}
    assert ada.submit() is None
    assert ada.view is None


def test_plain_acknowledgement_closes_one_view(
    open_form: Callable[[Json], Json],
    sandbox: Sandbox,
    modal: Build,
    answer: Json,
) -> None:
    """An empty acknowledgement takes the submitted view away and shows the one beneath."""
    open_form(modal())
    answer |= {"response_action": "push", "view": modal(callback_id="form", external_id="top")}
    ada = sandbox.user("U1")
    ada.submit()
    answer.clear()
    ada.submit()
    assert ada.wait_for_view()["depth"] == 1


@pytest.mark.parametrize("view", [{"type": "home", "blocks": []}, {"type": "modal"}, None])
def test_wrong_view_in_an_answer_is_trouble(
    open_form: Callable[[Json], Json],
    sandbox: Sandbox,
    modal: Build,
    answer: Json,
    view: Json | None,
) -> None:
    """A view that Slack would refuse leaves the modal as it was, with Slack's trouble text."""
    open_form(modal())
    answer |= {"response_action": "update", "view": view}
    assert sandbox.user("U1").submit() == {"": "We had some trouble connecting. Try again?"}


def test_unacknowledged_submission_is_trouble(
    open_form: Callable[[Json], Json], app: App, sandbox: Sandbox, modal: Build
) -> None:
    """Without an acknowledgement the modal stays open with Slack's trouble text."""

    @app.view("form")
    def never() -> None:
        """Acknowledge nothing."""

    open_form(modal())
    sandbox.timing.ack = 0.2
    ada = sandbox.user("U1")
    assert ada.submit() == {"": "We had some trouble connecting. Try again?"}
    assert (ada.wait_for_view()["busy"], ada.wait_for_view()["depth"]) == (False, 1)


def test_modal_without_submit_cannot_be_submitted(
    open_form: Callable[[Json], Json], sandbox: Sandbox, modal: Build
) -> None:
    """There is no button to press in a modal without one."""
    open_form(modal(submit=None))
    with pytest.raises(ActRefusedError, match="nothing to submit"):
        sandbox.user("U1").submit()


@pytest.mark.parametrize("notify", [True, False])
def test_closing_is_told_on_request(
    open_form: Callable[[Json], Json], app: App, sandbox: Sandbox, modal: Build, *, notify: bool
) -> None:
    """view_closed is sent with notify_on_close and only then."""
    closed: list[Json] = []

    @app.view_closed("form")
    def on_close(ack: Any, body: Json) -> None:
        ack()
        closed.append(body)

    open_form(modal(notify_on_close=notify))
    sandbox.user("U1").close()
    if notify:
        assert sandbox.wait_for(lambda: closed)[0]["is_cleared"] is False
    else:
        assert sandbox.journal.envelopes("interactive") == []


def test_dispatching_input_is_told_at_once(
    open_form: Callable[[Json], Json],
    heard: list[Json],
    sandbox: Sandbox,
    modal: Build,
    field: Build,
) -> None:
    """An input with dispatch_action sends block_actions; one without stays quiet."""
    loud = field("loud", "static_select", options=choices("x", "y"), dispatch_action=True)
    open_form(modal(loud, field("quiet")))
    ada = sandbox.user("U1")
    ada.fill("quiet", "hush")
    ada.fill("loud", "y")
    (payload,) = sandbox.wait_for(lambda: heard)
    assert payload["actions"][0]["selected_option"]["value"] == "y"
    assert payload["container"]["type"] == "view"
    assert payload["view"]["state"]["values"]["quiet_block"]["quiet"]["value"] == "hush"


def test_typing_dispatches_when_asked_to(
    open_form: Callable[[Json], Json],
    heard: list[Json],
    sandbox: Sandbox,
    modal: Build,
    field: Build,
) -> None:
    """Unfinished text is dispatched only with on_character_entered."""
    config = {"trigger_actions_on": ["on_character_entered"]}
    each = field("each", dispatch_action=True, dispatch_action_config=config)
    open_form(modal(each, field("enter", dispatch_action=True)))
    ada = sandbox.user("U1")
    ada.fill("enter", "a", enter=False)
    ada.fill("each", "a", enter=False)
    ada.fill("enter", "ab")
    sandbox.wait_for(lambda: len(heard) == 2)
    assert [p["actions"][0]["action_id"] for p in heard] == ["each", "enter"]


def test_select_in_a_section_of_a_modal_is_told_and_kept(
    open_form: Callable[[Json], Json],
    heard: list[Json],
    sandbox: Sandbox,
    modal: Build,
) -> None:
    """A select beside a section always sends block_actions and stays chosen."""
    select = {"type": "static_select", "action_id": "kind", "options": choices("x", "y")}
    text = {"type": "mrkdwn", "text": "Kind"}
    open_form(modal({"type": "section", "block_id": "s", "text": text, "accessory": select}))
    ada = sandbox.user("U1")
    ada.click("modal", "kind", "x")
    sandbox.wait_for(lambda: heard)
    assert ada.wait_for_view()["values"]["s"]["kind"]["selected_option"]["value"] == "x"


def test_reshaping_a_modal_from_an_action(
    open_form: Callable[[Json], Json],
    app: App,
    client: WebClient,
    sandbox: Sandbox,
    modal: Build,
    field: Build,
) -> None:
    """An app can add fields with views.update by the payload's hash; what was typed stays."""
    kind = field("kind", "radio_buttons", options=choices("old", "new"), dispatch_action=True)

    @app.action("kind")
    def reshape(ack: Any, body: Json) -> None:
        ack()
        shown = body["view"]
        grown = modal(field("name"), kind, field("size"))
        client.views_update(view_id=shown["id"], hash=shown["hash"], view=grown)

    open_form(modal(field("name"), kind))
    ada = sandbox.user("U1")
    ada.fill("name", "typed before")
    ada.fill("kind", "new")
    view = sandbox.wait_for(lambda: (v := ada.view) and len(v["blocks"]) == 3 and v)
    assert view["values"]["name_block"]["name"]["value"] == "typed before"
    assert view["values"]["kind_block"]["kind"]["selected_option"]["value"] == "new"


@pytest.mark.parametrize(
    ("act", "refusal"),
    [
        (lambda ada: ada.fill("nothing", "x"), "There is no element nothing here"),
        (lambda ada: ada.fill("pick", "z"), "not among the options"),
        (lambda ada: ada.click("home", "x"), "No Home tab is open"),
    ],
)
def test_impossible_acts_are_refused(
    open_form: Callable[[Json], Json],
    sandbox: Sandbox,
    modal: Build,
    field: Build,
    act: Callable[[Any], None],
    refusal: str,
) -> None:
    """A person cannot fill what is not there."""
    open_form(modal(field("pick", "static_select", options=choices("x"))))
    with pytest.raises(ActRefusedError, match=refusal):
        act(sandbox.user("U1"))
