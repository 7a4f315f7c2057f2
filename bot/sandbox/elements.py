"""What an interactive element holds and how its value is written: one table.

Pure functions from blocks and values to the `state.values` and `actions` of Slack's payloads.
Never checks limits (blocks.py does) and never changes what it is given.
"""

import copy
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.sandbox.errors import ActRefusedError, Json

Values = dict[str, dict[str, Json]]
"""block_id -> action_id -> the element's state, as in Slack's view.state.values."""


@dataclass(frozen=True)
class Element:
    """How an element keeps its value.

    Attributes:
        key: the key of the value in the state.
        initial: the element's field with the first value, None when it has none.
        option: values are option objects, not plain text.
        many: the value is a list.
        empty: the value when nothing is chosen.
    """

    key: str
    initial: str | None
    option: bool = False
    many: bool = False

    @property
    def empty(self) -> Any:
        """The value when nothing is chosen."""
        return [] if self.many else None


def _one(noun: str, *, option: bool = False) -> Element:
    initial = f"initial_{noun}"
    return Element(f"selected_{noun}", initial, option=option)


def _many(noun: str, *, option: bool = False) -> Element:
    return Element(f"selected_{noun}", f"initial_{noun}", option=option, many=True)


ELEMENTS = {
    "plain_text_input": Element("value", "initial_value"),
    "email_text_input": Element("value", "initial_value"),
    "url_text_input": Element("value", "initial_value"),
    "number_input": Element("value", "initial_value"),
    "rich_text_input": Element("rich_text_value", "initial_value"),
    "file_input": Element("files", None, many=True),
    "static_select": _one("option", option=True),
    "external_select": _one("option", option=True),
    "radio_buttons": _one("option", option=True),
    "checkboxes": _many("options", option=True),
    "multi_static_select": _many("options", option=True),
    "multi_external_select": _many("options", option=True),
    "users_select": _one("user"),
    "conversations_select": _one("conversation"),
    "channels_select": _one("channel"),
    "multi_users_select": _many("users"),
    "multi_conversations_select": _many("conversations"),
    "multi_channels_select": _many("channels"),
    "datepicker": _one("date"),
    "timepicker": _one("time"),
    "datetimepicker": Element("selected_date_time", "initial_date_time"),
}
STATELESS = {"button", "overflow", "workflow_button", "icon_button", "feedback_buttons"}


@dataclass(frozen=True)
class Place:
    """Where an interactive element stands."""

    block: Json
    element: Json

    @property
    def block_id(self) -> str:
        """The block's id, given or made."""
        return str(self.block["block_id"])

    @property
    def action_id(self) -> str:
        """The element's id, given or made."""
        return str(self.element["action_id"])


def _interactive_of(block: Json) -> Iterator[Json]:
    candidates = [block.get("accessory"), block.get("element"), *block.get("elements", ())]
    for candidate in candidates:
        if isinstance(candidate, dict) and candidate.get("type") in ELEMENTS.keys() | STATELESS:
            yield candidate


def _nested(blocks: list[Json]) -> Iterator[Json]:
    for block in blocks:
        yield block
        if block.get("type") == "container":
            yield from _nested(block["child_blocks"])
        if block.get("type") == "carousel":
            yield from _nested(block.get("elements", []))
        if block.get("type") == "card":
            yield {"block_id": block.get("block_id"), "elements": block.get("actions", [])}


def places(blocks: list[Json]) -> Iterator[Place]:
    """Every interactive element with its block, in reading order."""
    for block in _nested(blocks):
        for element in _interactive_of(block):
            yield Place(block, element)


def place_of(blocks: list[Json], action_id: str, block_id: str | None = None) -> Place:
    """The element of that action_id, in that block when one is named.

    Raises:
        ActRefusedError: there is none.
    """
    for place in places(blocks):
        if place.action_id == action_id and block_id in {None, place.block_id}:
            return place
    known = ", ".join(place.action_id for place in places(blocks)) or "none"
    raise ActRefusedError(f"There is no element {action_id} here; there are: {known}.")


def identified(blocks: list[Json]) -> list[Json]:
    """A copy in which every block has a block_id and every element an action_id, as Slack does."""
    blocks = copy.deepcopy(blocks)
    for block in _nested(blocks):
        block["block_id"] = block.get("block_id") or secrets.token_urlsafe(4)
        for element in _interactive_of(block):
            element["action_id"] = element.get("action_id") or secrets.token_urlsafe(4)
    return blocks


def state_of(element: Json, value: Any) -> Json:
    """An element's state, e.g. {"type": "datepicker", "selected_date": "2026-11-23"}."""
    return {"type": element["type"], ELEMENTS[element["type"]].key: value}


def value_in(state: Json) -> Any:
    """The value that a state holds: text, an option object, an id, a list of those, or None."""
    return state[ELEMENTS[state["type"]].key]


def initial_values(blocks: list[Json]) -> Values:
    """The state before anybody touched anything."""
    values: Values = {}
    for place in places(blocks):
        if kind := ELEMENTS.get(place.element["type"]):
            first = place.element.get(kind.initial, kind.empty) if kind.initial else kind.empty
            values.setdefault(place.block_id, {})[place.action_id] = state_of(place.element, first)
    return values


def kept_values(old: Values, blocks: list[Json]) -> Values:
    """The state after a view was replaced: kept where block_id, action_id and type are the same.

    An option that a list no longer offers is not kept.
    """
    values = initial_values(blocks)
    for place in places(blocks):
        before = old.get(place.block_id, {}).get(place.action_id)
        if before and before["type"] == place.element["type"] and _still_offered(place, before):
            values[place.block_id][place.action_id] = before
    return values


def _still_offered(place: Place, state: Json) -> bool:
    offered = {option["value"] for option in options_of(place.element)}
    if not offered or not ELEMENTS[state["type"]].option:
        return True
    chosen = value_in(state)
    listed = chosen if isinstance(chosen, list) else [chosen] if chosen else []
    return all(option["value"] in offered for option in listed)


def options_of(element: Json) -> list[Json]:
    """The options written in the element itself, groups flattened."""
    grouped = (group.get("options", []) for group in element.get("option_groups") or ())
    return [*(element.get("options") or ()), *(option for group in grouped for option in group)]


def label_of(option: Json) -> str:
    """The text of an option as people read it."""
    return str(option["text"]["text"])


def chosen_value(element: Json, given: Any, suggested: list[Json] | None = None) -> Any:
    """What a person gave (text, option value, label, id, list) as the element keeps it.

    Args:
        element: the element.
        given: None clears; options are named by value, by label or as {"value", "label"}.
        suggested: options that the app offered for an external select.

    Raises:
        ActRefusedError: the list has no such option.
    """
    kind = ELEMENTS[element["type"]]
    if given is None or given in ("", []):
        return kind.empty
    if not kind.option:
        return _plain(element, given, many=kind.many)
    if kind.many:
        return [_option(element, one, suggested) for one in _listed(given)]
    return _option(element, given, suggested)


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple | set) else [given]


def _plain(element: Json, given: Any, *, many: bool) -> Any:
    if element["type"] == "datetimepicker":
        return int(given)
    if element["type"] in {"rich_text_input", "file_input"}:
        return given
    return [str(one) for one in _listed(given)] if many else str(given)


def _option(element: Json, given: Any, suggested: list[Json] | None) -> Json:
    wanted = given.get("value") if isinstance(given, dict) else given
    options: list[Json] = [*options_of(element), *(suggested or ())]
    for option in options:
        if option["value"] == wanted:
            return option
    for option in options:
        if label_of(option) == wanted:
            return option
    if element["type"].endswith("external_select") and isinstance(given, dict):
        label = given.get("label") or _text_in(given) or str(wanted)
        return {"text": {"type": "plain_text", "text": label, "emoji": True}, "value": wanted}
    offered = ", ".join(option["value"] for option in options) or "none"
    raise ActRefusedError(f"{wanted!r} is not among the options of the list: {offered}.")


def _text_in(option: Json) -> str | None:
    text = option.get("text")
    return text.get("text") if isinstance(text, dict) else text
