"""The words in which limits.py describes Block Kit: what a field may hold.

Types only; limits.py has the figures and blocks.py walks them.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Str:
    """A string of `least` to `most` characters (Unicode code points)."""

    most: int | None = None
    least: int = 0
    one_of: tuple[str, ...] = ()
    pattern: str | None = None


@dataclass(frozen=True)
class Num:
    """A number, whole unless `decimal`."""

    least: int | None = None
    most: int | None = None
    decimal: bool = False


@dataclass(frozen=True)
class Flag:
    """true or false."""


@dataclass(frozen=True)
class Text:
    """A text object of 1 to `most` characters; `kinds` are the types that it may have."""

    most: int
    kinds: tuple[str, ...] = ("plain_text", "mrkdwn")
    least: int = 1


@dataclass(frozen=True)
class One:
    """A typed object: a block, an element or a cell whose `type` is one of `kinds`."""

    kinds: tuple[str, ...]
    table: str = "elements"


@dataclass(frozen=True)
class Obj:
    """An untyped object described in OBJECTS."""

    name: str


@dataclass(frozen=True)
class Arr:
    """A list of `least` to `most` items."""

    of: "Spec"
    most: int | None
    least: int = 1


@dataclass(frozen=True)
class Free:
    """Anything: parts of rich text and charts, which have no limits of their own here."""


Spec = Str | Num | Flag | Text | One | Obj | Arr | Free


@dataclass(frozen=True)
class Kind:
    """A block, an element or an object.

    Attributes:
        fields: name -> what it may hold; other names are refused.
        required: fields that must be there.
        one_of: of these fields at least one must be there.
        not_both: of these fields at most one may be there.
        surfaces: where a block may stand: message, modal, home.
    """

    fields: dict[str, Spec] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    not_both: tuple[str, ...] = ()
    surfaces: tuple[str, ...] = ("message", "modal", "home")
