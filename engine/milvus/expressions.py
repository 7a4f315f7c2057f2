"""Milvus filter expressions over the primary key, built and quoted in this one place.

The SDK's own iterator builds its cursor without escaping, so that keys with quotes or backslashes lose entities or loop for ever
(pymilvus #1960); every key goes through `literal` here instead.
"""

from collections.abc import Iterable

from engine.model import PrimaryKey

_ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
)


def literal(key: PrimaryKey) -> str:
    """A primary key as Milvus's expression language writes it."""
    if isinstance(key, int):
        return str(key)
    return f'"{key.translate(_ESCAPES)}"'


def key_range(field: str, lower: PrimaryKey | None, upper: PrimaryKey | None) -> str:
    """`lower < pk <= upper`; None leaves a side open; both open matches every entity."""
    parts = []
    if lower is not None:
        parts.append(f"{field} > {literal(lower)}")
    if upper is not None:
        parts.append(f"{field} <= {literal(upper)}")
    return " and ".join(parts)


def key_in(field: str, keys: Iterable[PrimaryKey]) -> str:
    """Matches the entities that have one of the keys."""
    return f"{field} in [{', '.join(literal(key) for key in keys)}]"
