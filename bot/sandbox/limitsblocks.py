"""Block Kit's blocks, views and where they may stand, as data.

The second half of limits.py, which has the elements. Holds no code that checks.
"""

from bot.sandbox.limits import (
    CELL,
    ID,
    IN_ACTIONS,
    IN_INPUT,
    IN_SECTION,
    PLAIN,
    RICH_TEXT_PARTS,
    URL,
)
from bot.sandbox.specs import Arr, Flag, Free, Kind, Num, Obj, One, Str, Text

MESSAGE = ("message",)
MESSAGE_HOME = ("message", "home")
ICON = One(("image",))

BLOCKS = {
    "actions": Kind({"elements": Arr(One(IN_ACTIONS), 25)}, required=("elements",)),
    "context": Kind(
        {"elements": Arr(One(("image", "plain_text", "mrkdwn")), 10)}, required=("elements",)
    ),
    "context_actions": Kind(
        {"elements": Arr(One(("feedback_buttons", "icon_button")), 5)},
        required=("elements",),
        surfaces=MESSAGE,
    ),
    "divider": Kind(),
    "header": Kind({"text": Text(150, PLAIN)}, required=("text",)),
    "image": Kind(
        {
            "image_url": URL,
            "slack_file": Obj("slack_file"),
            "alt_text": Str(2000),
            "title": Text(2000, PLAIN),
        },
        required=("alt_text",),
        one_of=("image_url", "slack_file"),
        not_both=("image_url", "slack_file"),
    ),
    "input": Kind(
        {
            "label": Text(2000, PLAIN),
            "element": One(IN_INPUT),
            "hint": Text(2000, PLAIN),
            "optional": Flag(),
            "dispatch_action": Flag(),
        },
        required=("label", "element"),
    ),
    "section": Kind(
        {
            "text": Text(3000),
            "fields": Arr(Text(2000), 10),
            "accessory": One(IN_SECTION),
            "expand": Flag(),
        },
        one_of=("text", "fields"),
    ),
    "rich_text": Kind({"elements": Arr(One(RICH_TEXT_PARTS), None)}, required=("elements",)),
    "video": Kind(
        {
            "alt_text": Str(2000, 1),
            "title": Text(200, PLAIN),
            "title_url": URL,
            "thumbnail_url": URL,
            "video_url": URL,
            "description": Text(200, PLAIN),
            "author_name": Str(50),
            "provider_name": Str(),
            "provider_icon_url": URL,
        },
        required=("alt_text", "title", "thumbnail_url", "video_url"),
    ),
    "file": Kind(
        {"external_id": ID, "source": Str(one_of=("remote",))},
        required=("external_id", "source"),
        surfaces=MESSAGE,
    ),
    "markdown": Kind({"text": Str(12_000, 1)}, required=("text",), surfaces=MESSAGE),
    "table": Kind(
        {
            "rows": Arr(Arr(CELL, 20), 100),
            "column_settings": Arr(Obj("column_setting"), 20, 0),
        },
        required=("rows",),
        surfaces=MESSAGE,
    ),
    "data_table": Kind(
        {
            "rows": Arr(Arr(CELL, 20), 201, 2),
            "caption": Str(None, 1),
            "page_size": Num(1, 100),
            "row_header_column_index": Num(0),
            "column_settings": Arr(Free(), 20, 0),
        },
        required=("rows", "caption"),
        surfaces=MESSAGE,
    ),
    "data_visualization": Kind(
        {"title": Str(50, 1), "chart": Free()}, required=("title", "chart"), surfaces=MESSAGE
    ),
    "card": Kind(
        {
            "hero_image": ICON,
            "icon": ICON,
            "title": Text(150),
            "subtitle": Text(150),
            "body": Text(200),
            "subtext": Text(200),
            "actions": Arr(One(("button",)), 3),
        },
        one_of=("hero_image", "title", "body", "actions"),
        surfaces=MESSAGE_HOME,
    ),
    "carousel": Kind(
        {"elements": Arr(One(("card",), "blocks"), 10)},
        required=("elements",),
        surfaces=MESSAGE_HOME,
    ),
    "container": Kind(
        {
            "title": Text(150, PLAIN),
            "rich_text_title": Free(),
            "subtitle": Text(150),
            "child_blocks": Arr(
                One(
                    (
                        "actions",
                        "context",
                        "divider",
                        "header",
                        "image",
                        "rich_text",
                        "section",
                        "table",
                        "data_table",
                        "data_visualization",
                        "video",
                    ),
                    "blocks",
                ),
                10,
            ),
            "width": Str(),
            "icon": ICON,
            "is_collapsible": Flag(),
            "default_collapsed": Flag(),
            "has_header_divider": Flag(),
        },
        required=("child_blocks",),
        surfaces=MESSAGE_HOME,
    ),
    "alert": Kind(
        {
            "text": Text(200),
            "level": Str(one_of=("default", "info", "warning", "error", "success")),
        },
        required=("text",),
        surfaces=("modal",),
    ),
    "task_card": Kind(
        {
            "task_id": Str(255, 1),
            "title": Str(None, 1),
            "details": One(("rich_text",)),
            "output": One(("rich_text",)),
            "sources": Arr(One(("url",)), None, 0),
            "status": Str(one_of=("pending", "in_progress", "complete", "error")),
        },
        required=("task_id", "title"),
        surfaces=MESSAGE,
    ),
    "plan": Kind(
        {"title": Str(None, 1), "tasks": Arr(One(("task_card",), "blocks"), 50, 0)},
        required=("title",),
        surfaces=MESSAGE,
    ),
}

VIEWS = {
    "modal": Kind(
        {
            "title": Text(24, PLAIN),
            "blocks": Free(),
            "submit": Text(24, PLAIN),
            "close": Text(24, PLAIN),
            "private_metadata": Str(3000),
            "callback_id": Str(255),
            "external_id": Str(255),
            "clear_on_close": Flag(),
            "notify_on_close": Flag(),
            "submit_disabled": Flag(),
        },
        required=("title", "blocks"),
    ),
    "home": Kind(
        {
            "blocks": Free(),
            "private_metadata": Str(3000),
            "callback_id": Str(255),
            "external_id": Str(255),
        },
        required=("blocks",),
    ),
}
