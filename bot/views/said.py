"""What a reply in a migration's thread is made of, and how an event's details are read for it; it knows no event's name."""

from typing import NamedTuple

from pydantic import ValidationError

from bot.views import text as t
from engine.model import ErrorText, Event


class Said(NamedTuple):
    """A reply's content.

    Attributes:
        word: The status by word.
        sentence: Finished mrkdwn, one line.
        comment: What a person wrote, not escaped.
        lines: What the block shows instead of the sentence.
    """

    word: str
    sentence: str
    comment: str = ""
    lines: str = ""


def detail(event: Event, name: str) -> str:
    """A detail of an event that is a text; "" where it has none."""
    value = event.details.get(name)
    return value if isinstance(value, str) else ""


def names(event: Event, name: str) -> tuple[str, ...]:
    """A detail of an event that is a list of names."""
    value = event.details.get(name)
    return tuple(map(str, value)) if isinstance(value, list) else ()


def by(event: Event, role: str = "") -> str:
    """Who did it, in which role, as mrkdwn."""
    named = role or detail(event, "role")
    return t.person(event.actor) + (f" ({t.clip(named, 60)})" if named else "")


def error(event: Event) -> ErrorText | None:
    """The failure as the event keeps it: the migration's own is cleared by a resume."""
    try:
        return ErrorText.model_validate(event.details.get("error"))
    except ValidationError:
        return None
