"""What Slack's client checks before a modal is submitted: the app never sees a bad submission.

Pure: from blocks and values to texts at the fields.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from bot.sandbox import slacktexts
from bot.sandbox.elements import ELEMENTS, Values, value_in
from bot.sandbox.errors import Json

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


def field_errors(blocks: list[Json], values: Values) -> dict[str, str]:
    """block_id -> text for every input that may not be submitted; empty when all may."""
    errors: dict[str, str] = {}
    for block in blocks:
        if block["type"] != "input" or block["element"]["type"] not in ELEMENTS:
            continue
        element = block["element"]
        value = value_in(values[block["block_id"]][element["action_id"]])
        problem = _problem(block, element, value)
        if problem:
            errors[block["block_id"]] = problem
    return errors


def _problem(block: Json, element: Json, value: Any) -> str | None:
    if value in (None, "", []):
        return None if block.get("optional") else slacktexts.REQUIRED
    check = CHECKS.get(element["type"], _chosen)
    return next(check(element, value), None)


def _text(element: Json, value: str) -> Iterator[str]:
    if len(value) < element.get("min_length", 0):
        yield slacktexts.TOO_SHORT.format(limit=element["min_length"])
    if len(value) > element.get("max_length", len(value)):
        yield slacktexts.TOO_LONG.format(limit=element["max_length"])


def _number(element: Json, value: str) -> Iterator[str]:
    try:
        number = float(value)
    except ValueError:
        yield slacktexts.BAD_NUMBER
        return
    if not element.get("is_decimal_allowed") and not re.fullmatch(r"-?\d+", value.strip()):
        yield slacktexts.BAD_WHOLE_NUMBER
    if number < float(element.get("min_value", number)):
        yield slacktexts.TOO_SMALL.format(limit=element["min_value"])
    if number > float(element.get("max_value", number)):
        yield slacktexts.TOO_BIG.format(limit=element["max_value"])


def _email(_element: Json, value: str) -> Iterator[str]:
    if not EMAIL.fullmatch(value):
        yield slacktexts.BAD_EMAIL


def _url(_element: Json, value: str) -> Iterator[str]:
    if not URL.fullmatch(value):
        yield slacktexts.BAD_URL


def _chosen(element: Json, value: Any) -> Iterator[str]:
    limit = element.get("max_selected_items")
    if limit and isinstance(value, list) and len(value) > limit:
        yield slacktexts.TOO_MANY.format(limit=limit)


CHECKS: dict[str, Callable[[Json, Any], Iterator[str]]] = {
    "plain_text_input": _text,
    "number_input": _number,
    "email_text_input": _email,
    "url_text_input": _url,
}
