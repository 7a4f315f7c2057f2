"""Small Block Kit payloads that are valid as they are, for tests that then break one thing."""

from typing import Any

Json = dict[str, Any]


def plain(length: int = 1) -> Json:
    """A plain_text object of that length."""
    return {"type": "plain_text", "text": "x" * length}


def mrkdwn(length: int = 1) -> Json:
    """A mrkdwn object of that length."""
    return {"type": "mrkdwn", "text": "x" * length}


def section(**fields: Any) -> Json:
    """A section block."""
    return {"type": "section", "text": mrkdwn(), **fields}


def button(**fields: Any) -> Json:
    """A button."""
    return {"type": "button", "action_id": "b", "text": plain(), **fields}


def actions(*elements: Json) -> Json:
    """An actions block."""
    return {"type": "actions", "elements": list(elements)}


def option(value: str = "v", **fields: Any) -> Json:
    """An option."""
    return {"text": plain(), "value": value, **fields}


def options(count: int) -> list[Json]:
    """That many options."""
    return [option(str(n)) for n in range(count)]


def select(kind: str = "static_select", **fields: Any) -> Json:
    """A select, or another element of that kind."""
    return {"type": kind, "action_id": "s", **fields}


def field(element: Json, **fields: Any) -> Json:
    """An input block around an element."""
    return {"type": "input", "label": plain(), "element": element, **fields}


def text_input(**fields: Any) -> Json:
    """A text input."""
    return {"type": "plain_text_input", "action_id": "t", **fields}


def table(rows: int = 1, columns: int = 1) -> Json:
    """A table block of that size."""
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * columns] * rows}


def modal(*blocks: Json, **fields: Any) -> Json:
    """A modal."""
    return {"type": "modal", "title": plain(), "blocks": list(blocks), **fields}
