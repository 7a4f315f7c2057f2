"""The Block Kit validator: wrong types, surfaces, cross rules, and Slack's way to say so."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.sandbox.blocks import check_blocks, check_message, check_options, check_view
from bot.sandbox.limits import ELEMENTS
from bot.sandbox.limitsblocks import BLOCKS
from tests.sandbox.blockkit import (
    actions,
    button,
    field,
    modal,
    mrkdwn,
    option,
    options,
    plain,
    section,
    select,
    table,
    text_input,
)

Json = dict[str, Any]


BAD: list[tuple[str, Json, str, str]] = [
    ("unknown block", {"type": "bogus"}, "/blocks/0/type", "unsupported type: bogus"),
    ("no type", {"text": plain()}, "/blocks/0/type", "unsupported type: None"),
    ("unknown element", actions(select("bogus")), "/elements/0/type", "unsupported type: bogus"),
    ("input element in actions", actions(text_input()), "/elements/0/type", "unsupported type"),
    (
        "multi select in actions",
        actions(select("multi_users_select")),
        "/elements/0/type",
        "unsupported type",
    ),
    ("datetime in section", section(accessory=select("datetimepicker")), "/accessory/type", ""),
    ("unknown field", section(colour="red"), "/blocks/0", "invalid additional property: colour"),
    ("empty section", {"type": "section"}, "/blocks/0", "one of text, fields"),
    ("empty text", section(text=mrkdwn(0)), "/text/text", "must be more than 0 characters"),
    ("text as string", section(text="x"), "/text", "must provide an object"),
    ("text as number", section(text={"type": "mrkdwn", "text": 1}), "/text/text", "a string"),
    ("mrkdwn header", {"type": "header", "text": mrkdwn()}, "/text/type", "plain_text"),
    ("mrkdwn button", actions(button(text=mrkdwn())), "/elements/0/text/type", "plain_text"),
    ("mrkdwn select option", actions(select(options=[option(text=mrkdwn())])), "/text/type", ""),
    ("mrkdwn placeholder", actions(select("users_select", placeholder=mrkdwn())), "/type", ""),
    ("button style", actions(button(style="green")), "/elements/0/style", "primary, danger"),
    ("button without text", actions({"type": "button"}), "/elements/0", "field: text"),
    ("confirm without deny", actions(button(confirm={"title": plain()})), "/confirm", "deny"),
    ("no elements", actions(), "/elements", "no fewer than 1 items"),
    ("no options", actions(select(options=[])), "/elements/0/options", "no fewer than 1"),
    ("neither options nor groups", actions(select()), "/elements/0", "options, option_groups"),
    (
        "options and groups",
        actions(
            select(options=options(1), option_groups=[{"label": plain(), "options": options(1)}])
        ),
        "/elements/0",
        "only one of",
    ),
    (
        "initial option not offered",
        actions(select(options=options(1), initial_option=option("z"))),
        "/initial_option",
        "must be among the options",
    ),
    ("bad date", actions(select("datepicker", initial_date="1.2.26")), "/initial_date", "pattern"),
    ("bad time", actions(select("timepicker", initial_time="25:00")), "/initial_time", "pattern"),
    ("bad boolean", section(expand="yes"), "/expand", "must provide a boolean"),
    ("null in array", {"type": "context", "elements": [None]}, "/elements/0", "an object"),
    ("image without source", {"type": "image", "alt_text": "x"}, "/blocks/0", "image_url"),
    ("image without alt", {"type": "image", "image_url": "u"}, "/blocks/0", "alt_text"),
    (
        "task status",
        {"type": "task_card", "task_id": "1", "title": "t", "status": "x"},
        "/status",
        "",
    ),
    ("alert in message", {"type": "alert", "text": plain()}, "/type", "not in a message"),
    ("data table of one row", {"type": "data_table", "caption": "c", "rows": [[]]}, "/rows", ""),
    ("file input in message", field(select("file_input")), "/element/type", "not in a message"),
]


@pytest.mark.parametrize(
    ("block", "pointer", "message"), [pytest.param(*b[1:], id=b[0]) for b in BAD]
)
def test_bad_block(block: Json, pointer: str, message: str) -> None:
    """A wrong block is refused at the place of the fault, with the reason."""
    problems = check_blocks([block], "message")
    assert any(p.pointer.endswith(pointer) and message in p.message for p in problems), problems


@pytest.mark.parametrize(
    ("kind", "surface"),
    [
        (kind, surface)
        for kind, described in BLOCKS.items()
        for surface in {"message", "modal", "home"} - set(described.surfaces)
    ],
)
def test_surface(kind: str, surface: str) -> None:
    """A block is refused on a surface where Slack does not have it."""
    messages = [p.message for p in check_blocks([{"type": kind}], surface)]
    assert f"unsupported type: {kind} (not in a {surface})" in messages


@pytest.mark.parametrize("surface", ["modal", "home"])
def test_tables_stand_in_messages_only(surface: str) -> None:
    """Sources disagree about tables elsewhere, so the sandbox refuses them there."""
    assert check_blocks([table()], surface)
    assert check_blocks([table()], "message") == []


def test_one_table_per_message() -> None:
    """A second table, in an attachment too, is refused with Slack's own error."""
    (problem,) = check_message([table()], [{"blocks": [table()]}])
    assert (problem.code, problem.message) == ("invalid_attachments", "only_one_table_allowed")


def test_two_charts_per_message() -> None:
    """A third chart is refused."""
    chart = {"type": "data_visualization", "title": "t", "chart": {}}
    assert check_message([chart] * 2, []) == []
    assert len(check_message([chart] * 3, [])) == 1


def test_all_blocks_together_are_limited() -> None:
    """13,200 characters in all blocks of a message pass, more do not."""
    blocks = [section(text=mrkdwn(2640))] * 5
    assert check_message(blocks, []) == []
    (problem,) = check_message([*blocks, section()], [])
    assert problem.code == "msg_blocks_too_long"


def test_all_markdown_together_is_limited() -> None:
    """The markdown blocks of a payload share 12,000 characters."""
    half = {"type": "markdown", "text": "x" * 6000}
    assert check_blocks([half, half], "message") == []
    assert check_blocks([half, half, {"type": "markdown", "text": "x"}], "message")


def test_ids_are_unique() -> None:
    """A block_id counts once per payload, an action_id once per block."""
    (block,) = check_blocks([section(block_id="a"), section(block_id="a")], "message")
    (action,) = check_blocks([actions(button(), button())], "message")
    assert "`block_id` `a` already exists" in block.message
    assert "`action_id` `b` already exists" in action.message
    assert check_blocks([actions(button()), actions(button())], "message") == []


def test_one_element_has_the_focus() -> None:
    """focus_on_load may be set once in a view."""
    focused = field(text_input(focus_on_load=True))
    assert check_blocks([focused], "modal") == []
    assert check_blocks([focused, focused], "modal")


def test_modal_with_input_needs_submit() -> None:
    """A modal with an input block and without a submit button is refused."""
    assert check_view(modal(field(text_input()), submit=plain())) == []
    (problem,) = check_view(modal(field(text_input())))
    assert problem.pointer == "/view"


@pytest.mark.parametrize("view", [None, [], {"type": "window"}, modal() | {"blocks": None}])
def test_what_is_no_view(view: Any) -> None:
    """Something that is no view is refused, not failed over."""
    assert check_view(view)


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        ({"options": options(100)}, True),
        ({"options": []}, True),
        ({"options": options(101)}, False),
        ({"option_groups": [{"label": plain(), "options": options(1)}]}, True),
        ({"option_groups": [{"label": plain(76), "options": options(1)}]}, False),
        ({}, False),
        ({"options": [{"text": "x", "value": "y"}]}, False),
    ],
)
def test_offered_options(answer: Json, *, good: bool) -> None:
    """The answer to a block_suggestion has the limits of a select."""
    assert (check_options(answer) == []) is good


@pytest.mark.parametrize("kind", [k for k in ELEMENTS if k not in {"plain_text", "mrkdwn"}])
def test_every_element_refuses_unknown_fields(kind: str) -> None:
    """No element lets a misspelt field pass."""
    block = field({"type": kind, "bogus": 1})
    problems = [p.message for p in check_blocks([block], "modal")]
    assert any("bogus" in m or m.startswith("unsupported type") for m in problems)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["type", "text", "elements", "element", "accessory", "options"]),
                inner | st.sampled_from(["section", "actions", "input", "button", "mrkdwn"]),
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_payload_breaks_the_validator(payload: Any) -> None:
    """Whatever JSON comes, the validator answers with a list of problems."""
    check_view({"type": "modal", "title": plain(), "blocks": payload})
    assert isinstance(check_blocks(payload, "message"), list)


# What slack_sdk's own models refuse must be refused here too; they let much more pass.
STRICT = [
    ("section", section(text=mrkdwn(3001))),
    ("fields", section(fields=[mrkdwn()] * 11)),
    ("header", {"type": "header", "text": plain(151)}),
    ("context", {"type": "context", "elements": [mrkdwn()] * 11}),
    ("actions", actions(*(button(action_id=str(n)) for n in range(26)))),
    ("button", actions(button(text=plain(76)))),
    ("button value", actions(button(value="x" * 2001))),
    ("style", actions(button(style="green"))),
    ("select", actions(select(options=options(101)))),
    ("block_id", section(block_id="x" * 256)),
    ("label", field(text_input(), label=plain(2001))),
    ("image", {"type": "image", "image_url": "u", "alt_text": "x" * 2001}),
]


def _validated_by_sdk(parsed: Block) -> Json:
    parsed.validate_json()
    rendered: Json = parsed.to_dict()  # validates the elements
    return rendered


@pytest.mark.parametrize("block", [pytest.param(b[1], id=b[0]) for b in STRICT])
def test_as_strict_as_the_sdk(block: Json) -> None:
    """What slack_sdk's models refuse is refused by the sandbox as well."""
    parsed = Block.parse(block)
    assert parsed is not None
    with pytest.raises(SlackObjectFormationError):
        _validated_by_sdk(parsed)
    assert check_blocks([block], "modal")


@pytest.mark.parametrize("fields", [{"title": plain(25)}, {"private_metadata": "x" * 3001}])
def test_views_as_strict_as_the_sdk(fields: Json) -> None:
    """What slack_sdk's View refuses is refused by the sandbox as well."""
    view = modal(section(), **fields)
    with pytest.raises(SlackObjectFormationError):
        View(**view).validate_json()
    assert check_view(view)


def test_blocks_validate_method(asking: WebClient) -> None:
    """blocks.validate answers the pointers of blocks, a message or a view."""
    good = asking.blocks_validate(blocks=[section()])
    assert good["errors"] == []
    bad = asking.blocks_validate(view=modal(field(text_input())))["errors"]
    assert [e["pointer"] for e in bad] == ["/view"]
    message = asking.blocks_validate(message={"text": "x", "blocks": [section(text=mrkdwn(3001))]})
    (error,) = message["errors"]
    assert (error["pointer"], error["constraint"]) == ("/blocks/0/text/text", 3000)


def test_all_problems_are_told_at_once(asking: WebClient) -> None:
    """A message with several faults is answered with all of them."""
    blocks = [section(text=mrkdwn(3001)), {"type": "bogus"}, actions(button(style="green"))]
    with pytest.raises(SlackApiError) as refused:
        asking.chat_postMessage(channel="C1", text="x", blocks=blocks)
    told = refused.value.response["response_metadata"]["messages"]
    pointers = [re.findall(r"json-pointer:(\S+)\]", line)[0] for line in told]
    assert pointers[-2:] == ["/blocks/1/type", "/blocks/2/elements/0/style"]
