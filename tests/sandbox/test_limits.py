"""Block Kit's limits: each holds at its edge and is refused one beyond it, at the very place."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.sandbox.blocks import check_blocks, check_view
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


def confirm(**fields: Any) -> Json:
    """A confirm dialog."""
    texts = {"title": plain(), "text": mrkdwn(), "confirm": plain(), "deny": plain()}
    return texts | fields


Edge = tuple[str, Callable[[int], Json], int, str]
MOST: list[Edge] = [
    ("section text", lambda n: section(text=mrkdwn(n)), 3000, "/text/text"),
    ("section field", lambda n: section(fields=[mrkdwn(n)]), 2000, "/fields/0/text"),
    ("section fields", lambda n: section(fields=[mrkdwn()] * n), 10, "/fields"),
    ("header", lambda n: {"type": "header", "text": plain(n)}, 150, "/text/text"),
    ("context", lambda n: {"type": "context", "elements": [mrkdwn()] * n}, 10, "/elements"),
    (
        "actions",
        lambda n: actions(*(button(action_id=str(i)) for i in range(n))),
        25,
        "/elements",
    ),
    ("block_id", lambda n: section(block_id="x" * n), 255, "/block_id"),
    ("action_id", lambda n: actions(button(action_id="x" * n)), 255, "/elements/0/action_id"),
    ("button text", lambda n: actions(button(text=plain(n))), 75, "/elements/0/text/text"),
    ("button value", lambda n: actions(button(value="x" * n)), 2000, "/elements/0/value"),
    ("button url", lambda n: actions(button(url="x" * n)), 3000, "/elements/0/url"),
    (
        "accessibility label",
        lambda n: actions(button(accessibility_label="x" * n)),
        75,
        "/elements/0/accessibility_label",
    ),
    (
        "confirm title",
        lambda n: actions(button(confirm=confirm(title=plain(n)))),
        100,
        "/elements/0/confirm/title/text",
    ),
    (
        "confirm text",
        lambda n: actions(button(confirm=confirm(text=mrkdwn(n)))),
        300,
        "/elements/0/confirm/text/text",
    ),
    (
        "confirm button",
        lambda n: actions(button(confirm=confirm(confirm=plain(n)))),
        30,
        "/elements/0/confirm/confirm/text",
    ),
    (
        "confirm deny",
        lambda n: actions(button(confirm=confirm(deny=plain(n)))),
        30,
        "/elements/0/confirm/deny/text",
    ),
    ("options", lambda n: actions(select(options=options(n))), 100, "/elements/0/options"),
    (
        "option groups",
        lambda n: actions(select(option_groups=[{"label": plain(), "options": options(1)}] * n)),
        100,
        "/elements/0/option_groups",
    ),
    (
        "group label",
        lambda n: actions(select(option_groups=[{"label": plain(n), "options": options(1)}])),
        75,
        "/elements/0/option_groups/0/label/text",
    ),
    (
        "option text",
        lambda n: actions(select(options=[option(text=plain(n))])),
        75,
        "/elements/0/options/0/text/text",
    ),
    (
        "option value",
        lambda n: actions(select(options=[option("x" * n)])),
        150,
        "/elements/0/options/0/value",
    ),
    (
        "option description",
        lambda n: actions(select(options=[option(description=plain(n))])),
        75,
        "/elements/0/options/0/description/text",
    ),
    (
        "option url",
        lambda n: actions({"type": "overflow", "options": [option(url="x" * n)]}),
        3000,
        "/elements/0/options/0/url",
    ),
    (
        "placeholder",
        lambda n: actions(select("users_select", placeholder=plain(n))),
        150,
        "/elements/0/placeholder/text",
    ),
    (
        "overflow",
        lambda n: actions({"type": "overflow", "options": options(n)}),
        5,
        "/elements/0/options",
    ),
    (
        "checkboxes",
        lambda n: field(select("checkboxes", options=options(n))),
        10,
        "/element/options",
    ),
    ("radio", lambda n: field(select("radio_buttons", options=options(n))), 10, "/element/options"),
    ("input label", lambda n: field(text_input(), label=plain(n)), 2000, "/label/text"),
    ("input hint", lambda n: field(text_input(), hint=plain(n)), 2000, "/hint/text"),
    ("min_length", lambda n: field(text_input(min_length=n)), 3000, "/element/min_length"),
    ("max_length", lambda n: field(text_input(max_length=n)), 3000, "/element/max_length"),
    (
        "image alt text",
        lambda n: {"type": "image", "image_url": "u", "alt_text": "x" * n},
        2000,
        "/alt_text",
    ),
    (
        "image url",
        lambda n: {"type": "image", "image_url": "u" * n, "alt_text": "x"},
        3000,
        "/image_url",
    ),
    (
        "image title",
        lambda n: {"type": "image", "image_url": "u", "alt_text": "x", "title": plain(n)},
        2000,
        "/title/text",
    ),
    ("markdown", lambda n: {"type": "markdown", "text": "x" * n}, 12_000, "/text"),
    ("table rows", lambda n: table(rows=n), 100, "/rows"),
    ("table columns", lambda n: table(columns=n), 20, "/rows/0"),
    (
        "column settings",
        lambda n: table() | {"column_settings": [{"align": "left"}] * n},
        20,
        "/column_settings",
    ),
    (
        "data table rows",
        lambda n: {"type": "data_table", "caption": "c", "rows": table(rows=n)["rows"]},
        201,
        "/rows",
    ),
    (
        "card body",
        lambda n: {"type": "card", "title": plain(), "body": mrkdwn(n)},
        200,
        "/body/text",
    ),
    (
        "carousel",
        lambda n: {"type": "carousel", "elements": [{"type": "card", "title": plain()}] * n},
        10,
        "/elements",
    ),
    (
        "container",
        lambda n: {"type": "container", "child_blocks": [{"type": "divider"}] * n},
        10,
        "/child_blocks",
    ),
    (
        "plan tasks",
        lambda n: {
            "type": "plan",
            "title": "t",
            "tasks": [{"type": "task_card", "task_id": "1", "title": "t"}] * n,
        },
        50,
        "/tasks",
    ),
]


@pytest.mark.parametrize(
    ("build", "most", "pointer"), [pytest.param(*e[1:], id=e[0]) for e in MOST]
)
def test_limit(build: Callable[[int], Json], most: int, pointer: str) -> None:
    """The limit itself passes, one more is refused at the very place."""
    surface = "modal" if build(1)["type"] == "input" else "message"
    assert check_blocks([build(max(most, 2))], surface) == []
    pointers = [p.pointer for p in check_blocks([build(most + 1)], surface)]
    assert pointers == [f"/blocks/0{pointer}"]


@pytest.mark.parametrize(("surface", "most"), [("message", 50), ("modal", 100), ("home", 100)])
def test_number_of_blocks(surface: str, most: int) -> None:
    """50 blocks fit into a message, 100 into a modal or a Home tab."""
    assert check_blocks([section()] * most, surface) == []
    (problem,) = check_blocks([section()] * (most + 1), surface)
    assert problem.message == f"no more than {most} items allowed"


VIEW_LIMITS: list[tuple[str, Callable[[int], Json], int]] = [
    ("/view/title/text", lambda n: modal(title=plain(n)), 24),
    ("/view/submit/text", lambda n: modal(submit=plain(n)), 24),
    ("/view/close/text", lambda n: modal(close=plain(n)), 24),
    ("/view/private_metadata", lambda n: modal(private_metadata="x" * n), 3000),
    ("/view/callback_id", lambda n: modal(callback_id="x" * n), 255),
    ("/view/external_id", lambda n: modal(external_id="x" * n), 255),
]


@pytest.mark.parametrize(("pointer", "build", "most"), VIEW_LIMITS)
def test_view_limit(pointer: str, build: Callable[[int], Json], most: int) -> None:
    """A view's own texts and metadata have limits of their own."""
    assert check_view(build(most)) == []
    assert [p.pointer for p in check_view(build(most + 1))] == [pointer]
