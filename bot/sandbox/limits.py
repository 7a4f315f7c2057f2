"""Block Kit's limits as data: every block, element and object with its fields and figures.

Figures from Slack's reference, @slack/types and the generated table of slackblocks 3.0; where they
disagree on a surface the stricter one stands. Holds no code that checks (blocks.py does).
"""

from bot.sandbox.specs import Arr, Flag, Free, Kind, Num, Obj, One, Spec, Str, Text

MOST_BLOCKS = {"message": 50, "modal": 100, "home": 100}
MOST_BLOCK_CHARACTERS = 13_200
MOST_MARKDOWN = 12_000
MOST_CHARTS = 2

PLAIN = ("plain_text",)
ID = Str(255, 1)
URL = Str(3000, 1)
STYLE = Str(one_of=("primary", "danger"))
DATE = Str(pattern=r"\d{4}-\d{2}-\d{2}")
TIME = Str(pattern=r"([01]\d|2[0-3]):[0-5]\d")
CONFIRM = Obj("confirm")
PLACEHOLDER = Text(150, PLAIN)
OPTION = Obj("option")
OPTIONS = Arr(OPTION, 100)
GROUPS = Arr(Obj("option_group"), 100)
RICH_OPTIONS = Arr(Obj("rich_option"), 10)

OBJECTS = {
    "confirm": Kind(
        {
            "title": Text(100, PLAIN),
            "text": Text(300),
            "confirm": Text(30, PLAIN),
            "deny": Text(30, PLAIN),
            "style": STYLE,
        },
        required=("title", "text", "confirm", "deny"),
    ),
    "option": Kind(
        {"text": Text(75, PLAIN), "value": Str(150, 1), "description": Text(75, PLAIN)},
        required=("text", "value"),
    ),
    "rich_option": Kind(
        {"text": Text(75), "value": Str(150, 1), "description": Text(75)},
        required=("text", "value"),
    ),
    "overflow_option": Kind(
        {
            "text": Text(75, PLAIN),
            "value": Str(150, 1),
            "description": Text(75, PLAIN),
            "url": URL,
        },
        required=("text", "value"),
    ),
    "option_group": Kind(
        {"label": Text(75, PLAIN), "options": OPTIONS}, required=("label", "options")
    ),
    "filter": Kind(
        {
            "include": Arr(Str(one_of=("im", "mpim", "private", "public")), 4),
            "exclude_external_shared_channels": Flag(),
            "exclude_bot_users": Flag(),
        },
        one_of=("include", "exclude_external_shared_channels", "exclude_bot_users"),
    ),
    "dispatch_action_config": Kind(
        {"trigger_actions_on": Arr(Str(one_of=("on_enter_pressed", "on_character_entered")), 2)}
    ),
    "slack_file": Kind({"id": Str(255, 1), "url": URL}, one_of=("id", "url")),
    "column_setting": Kind(
        {"align": Str(one_of=("left", "center", "right")), "is_wrapped": Flag()}
    ),
    "feedback_button": Kind(
        {"text": Text(75, PLAIN), "value": Str(2000), "accessibility_label": Str(75)},
        required=("text", "value"),
    ),
    "workflow": Kind({"trigger": Free()}, required=("trigger",)),
}

_FOCUS: dict[str, Spec] = {"focus_on_load": Flag()}
_SELECT: dict[str, Spec] = {
    "action_id": ID,
    "placeholder": PLACEHOLDER,
    "confirm": CONFIRM,
    **_FOCUS,
}
_MULTI: dict[str, Spec] = {**_SELECT, "max_selected_items": Num(1)}
_TYPED: dict[str, Spec] = {
    "action_id": ID,
    "placeholder": PLACEHOLDER,
    "dispatch_action_config": Obj("dispatch_action_config"),
    **_FOCUS,
}
_IMAGE: dict[str, Spec] = {
    "image_url": URL,
    "slack_file": Obj("slack_file"),
    "alt_text": Str(2000),
}
_LISTED: dict[str, Spec] = {"options": OPTIONS, "option_groups": GROUPS}
_FILTERED: dict[str, Spec] = {"default_to_current_conversation": Flag(), "filter": Obj("filter")}


def _picker(**fields: Spec) -> Kind:
    return Kind({"action_id": ID, "confirm": CONFIRM, **_FOCUS, **fields})


def _select(**fields: Spec) -> Kind:
    return Kind({**_SELECT, **fields})


def _multi(**fields: Spec) -> Kind:
    return Kind({**_MULTI, **fields})


def _typed(**fields: Spec) -> Kind:
    return Kind({**_TYPED, **fields})


def _listed(kind: Kind) -> Kind:
    lists = ("options", "option_groups")
    return Kind({**kind.fields, **_LISTED}, one_of=lists, not_both=lists)


_BUTTON = Kind(
    {
        "action_id": ID,
        "text": Text(75, PLAIN),
        "value": Str(2000),
        "url": URL,
        "style": STYLE,
        "confirm": CONFIRM,
        "accessibility_label": Str(75),
    },
    required=("text",),
)

ELEMENTS = {
    "button": _BUTTON,
    "icon_button": Kind(
        {
            "action_id": ID,
            "icon": Str(one_of=("trash",)),
            "text": Text(75, PLAIN),
            "value": Str(2000),
            "confirm": CONFIRM,
            "accessibility_label": Str(75),
            "visible_to_user_ids": Arr(Str(), None),
        },
        required=("icon", "text"),
    ),
    "feedback_buttons": Kind(
        {
            "action_id": ID,
            "positive_button": Obj("feedback_button"),
            "negative_button": Obj("feedback_button"),
        },
        required=("positive_button", "negative_button"),
    ),
    "workflow_button": Kind(
        {
            "action_id": ID,
            "text": Text(75, PLAIN),
            "workflow": Obj("workflow"),
            "style": STYLE,
            "accessibility_label": Str(75),
        },
        required=("text", "workflow"),
    ),
    "overflow": Kind(
        {"action_id": ID, "options": Arr(Obj("overflow_option"), 5), "confirm": CONFIRM},
        required=("options",),
    ),
    "checkboxes": Kind(
        {
            "action_id": ID,
            "options": RICH_OPTIONS,
            "initial_options": RICH_OPTIONS,
            "confirm": CONFIRM,
            **_FOCUS,
        },
        required=("options",),
    ),
    "radio_buttons": Kind(
        {
            "action_id": ID,
            "options": RICH_OPTIONS,
            "initial_option": Obj("rich_option"),
            "confirm": CONFIRM,
            **_FOCUS,
        },
        required=("options",),
    ),
    "static_select": _listed(_select(initial_option=OPTION)),
    "external_select": _select(initial_option=OPTION, min_query_length=Num(0)),
    "users_select": _select(initial_user=Str()),
    "conversations_select": _select(
        initial_conversation=Str(), response_url_enabled=Flag(), **_FILTERED
    ),
    "channels_select": _select(initial_channel=Str(), response_url_enabled=Flag()),
    "multi_static_select": _listed(_multi(initial_options=OPTIONS)),
    "multi_external_select": _multi(initial_options=OPTIONS, min_query_length=Num(0)),
    "multi_users_select": _multi(initial_users=Arr(Str(), None, 0)),
    "multi_conversations_select": _multi(initial_conversations=Arr(Str(), None, 0), **_FILTERED),
    "multi_channels_select": _multi(initial_channels=Arr(Str(), None, 0)),
    "datepicker": _picker(initial_date=DATE, placeholder=PLACEHOLDER),
    "timepicker": _picker(initial_time=TIME, placeholder=PLACEHOLDER, timezone=Str()),
    "datetimepicker": _picker(initial_date_time=Num(1_000_000_000, 9_999_999_999)),
    "plain_text_input": _typed(
        initial_value=Str(3000),
        multiline=Flag(),
        min_length=Num(0, 3000),
        max_length=Num(1, 3000),
    ),
    "email_text_input": _typed(initial_value=Str()),
    "url_text_input": _typed(initial_value=Str()),
    "number_input": Kind(
        {
            **_TYPED,
            "is_decimal_allowed": Flag(),
            "initial_value": Str(),
            "min_value": Str(),
            "max_value": Str(),
        },
        required=("is_decimal_allowed",),
    ),
    "rich_text_input": _typed(initial_value=Free(), min_lines=Num(1), max_lines=Num(1)),
    "file_input": Kind({"action_id": ID, "filetypes": Arr(Str(), None), "max_files": Num(1, 10)}),
    "image": Kind(
        _IMAGE,
        required=("alt_text",),
        one_of=("image_url", "slack_file"),
        not_both=("image_url", "slack_file"),
    ),
    "plain_text": Kind({"text": Str(3000, 1), "emoji": Flag()}, required=("text",)),
    "mrkdwn": Kind({"text": Str(3000, 1), "verbatim": Flag()}, required=("text",)),
    "raw_text": Kind({"text": Str(None, 1)}, required=("text",)),
    "raw_number": Kind({"value": Num(decimal=True), "text": Str()}, required=("value",)),
    "rich_text": Kind({"elements": Arr(Free(), None), "block_id": ID}, required=("elements",)),
    "rich_text_section": Kind({"elements": Arr(Free(), None, 0)}, required=("elements",)),
    "rich_text_quote": Kind(
        {"elements": Arr(Free(), None, 0), "border": Num(0, 1)}, required=("elements",)
    ),
    "rich_text_preformatted": Kind(
        {"elements": Arr(Free(), None, 0), "border": Num(0, 1), "language": Str()},
        required=("elements",),
    ),
    "rich_text_list": Kind(
        {
            "elements": Arr(One(("rich_text_section",)), None),
            "style": Str(one_of=("bullet", "ordered")),
            "indent": Num(0, 8),
            "offset": Num(0),
            "border": Num(0, 1),
        },
        required=("elements", "style"),
    ),
    "url": Kind({"url": URL, "text": Str(None, 1)}, required=("url", "text")),
}

SINGLE_SELECTS = (
    "static_select",
    "external_select",
    "users_select",
    "conversations_select",
    "channels_select",
)
MULTI_SELECTS = tuple(f"multi_{kind}" for kind in SINGLE_SELECTS)
CHOICES = ("checkboxes", "radio_buttons", "datepicker", "timepicker", *SINGLE_SELECTS)
IN_ACTIONS = ("button", "overflow", "workflow_button", "datetimepicker", *CHOICES)
IN_SECTION = ("button", "overflow", "workflow_button", "image", *CHOICES, *MULTI_SELECTS)
IN_INPUT = (
    "plain_text_input",
    "email_text_input",
    "url_text_input",
    "number_input",
    "rich_text_input",
    "file_input",
    "datetimepicker",
    *CHOICES,
    *MULTI_SELECTS,
)
MODAL_ONLY_ELEMENTS = ("file_input",)
RICH_TEXT_PARTS = (
    "rich_text_section",
    "rich_text_list",
    "rich_text_quote",
    "rich_text_preformatted",
)
CELL = One(("raw_text", "raw_number", "rich_text"))
