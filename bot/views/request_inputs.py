"""The inputs of the request modal as Slack's blocks: selects, texts, radio buttons, boxes, a date with its time.

They keep within Slack's limits whatever they are given. What stands in which order is decided in `request_modal.py`.
"""

from collections.abc import Mapping, Sequence

from bot.views import message as m
from bot.views import text as t
from bot.views.request_form import (
    OPTIONS_MAX,
    RESHAPES,
    Field,
    RequestForm,
    block_id,
    option_value,
)

Choice = tuple[str, str, str]
"""Value, label, description."""


def field(
    name: Field,
    form: RequestForm,
    label: str,
    element: m.Block,
    *,
    hint: str = "",
    optional: bool = False,
) -> m.Block:
    """An input block; a choice that changes the form's shape is sent at once."""
    block: m.Block = {
        "type": "input",
        "block_id": block_id(name, form),
        "label": m.plain(label, 100),
        "element": {"action_id": name.value} | element,
        "optional": optional,
    }
    if name in RESHAPES:
        block["dispatch_action"] = True
    return block | {"hint": m.plain(hint, 300)} if hint else block


def select(chosen: str, placeholder: str) -> m.Block:
    """A list that is searched while somebody types."""
    element: m.Block = {
        "type": "external_select",
        "placeholder": m.plain(placeholder, 150),
        "min_query_length": 0,
    }
    return element | {"initial_option": option(chosen)} if chosen else element


def selects(chosen: Sequence[str], placeholder: str) -> m.Block:
    """A list of which several are chosen."""
    element: m.Block = {
        "type": "multi_external_select",
        "placeholder": m.plain(placeholder, 150),
        "min_query_length": 0,
    }
    if not chosen:
        return element
    return element | {"initial_options": [option(name) for name in chosen[:OPTIONS_MAX]]}


def text(typed: str, placeholder: str, *, most: int, lines: bool = False) -> m.Block:
    """A text of at most `most` characters, in one line or in several."""
    element: m.Block = {
        "type": "plain_text_input",
        "placeholder": m.plain(placeholder, 150),
        "max_length": most,
    }
    element |= {"multiline": True} if lines else {}
    return element | {"initial_value": typed[:most]} if typed else element


def radio(choices: Sequence[Choice], chosen: str) -> m.Block:
    """Radio buttons, one of which is always chosen: the first where `chosen` is none of them."""
    drawn = {choice[0]: _choice(*choice) for choice in choices}
    return {
        "type": "radio_buttons",
        "options": list(drawn.values()),
        "initial_option": drawn.get(chosen, next(iter(drawn.values()))),
    }


def box(choice: Choice, *, ticked: bool) -> m.Block:
    """One box to tick."""
    drawn = _choice(*choice)
    element: m.Block = {"type": "checkboxes", "options": [drawn]}
    return element | {"initial_options": [drawn]} if ticked else element


def moment(at: int | None) -> m.Block:
    """A day and a time (seconds since the epoch), which Slack shows in the person's own time zone."""
    element: m.Block = {"type": "datetimepicker"}
    return element | {"initial_date_time": at} if at else element


def option(name: str) -> m.Block:
    """A name as an option: shortened in the middle to what Slack takes, told apart by its value."""
    shown = t.shorten_middle(t.visible(name), 75)
    return {"text": m.plain(shown, 75), "value": option_value(name)}


def options(names: Sequence[str], typed: str = "") -> list[m.Block]:
    """The answer to an options request: the names that hold what was typed, at most 100, those that begin with it first."""
    return [option(name) for name in _fitting(names, typed)[:OPTIONS_MAX]]


def option_groups(groups: Mapping[str, Sequence[str]], typed: str = "") -> list[m.Block]:
    """The same under headings; a heading that holds what was typed shows all of its names. At most 100 names in all."""
    room, drawn = OPTIONS_MAX, []
    for label, names in groups.items():
        all_of_it = typed.strip().casefold() in label.casefold()
        fitting = _fitting(names, "" if all_of_it else typed)[:room]
        room -= len(fitting)
        if fitting:
            drawn.append({"label": m.plain(label, 75), "options": [option(n) for n in fitting]})
    return drawn


def _fitting(names: Sequence[str], typed: str) -> list[str]:
    wanted = typed.strip().casefold()
    fitting = [name for name in names if name and wanted in name.casefold()]
    return sorted(fitting, key=lambda name: not name.casefold().startswith(wanted))


def _choice(value: str, label: str, description: str) -> m.Block:
    return {
        "text": m.plain(label, 75),
        "description": m.plain(description, 75),
        "value": str(value),
    }
