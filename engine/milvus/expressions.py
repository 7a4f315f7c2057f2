"""Milvus filter expressions over the primary key, built and quoted in this one place.

The SDK's own iterator builds its cursor without escaping, so that keys with quotes or backslashes lose entities or loop for ever
(pymilvus #1960); every key goes through `literal` here instead.
"""

from collections.abc import Iterable, Iterator

from engine.model import PrimaryKey

# A NUL passes as it is: Milvus and Milvus Lite both refuse every escape of it.
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})

_LEAST = -(2**63)
"""Milvus reads the digits before the sign, and these do not fit: the smallest INT64 cannot be written in an expression."""


def literal(key: PrimaryKey) -> str:
    """A primary key, but the smallest INT64, as Milvus's expression language writes it."""
    if isinstance(key, int):
        return str(key)
    return f'"{key.translate(_ESCAPES)}"'


def key_range(field: str, lower: PrimaryKey | None, upper: PrimaryKey | None) -> str:
    """`lower < pk <= upper`; None leaves a side open; both open matches every entity."""
    parts = []
    if lower is not None:
        parts.append(_above_least(field) if lower == _LEAST else f"{field} > {literal(lower)}")
    if upper is not None:
        parts.append(_is_least(field) if upper == _LEAST else f"{field} <= {literal(upper)}")
    return " and ".join(parts)


LISTED_BYTES_MAX = 1 << 20
"""What the keys of one list may have together, well below the 64 MB of a request: a thousand keys may have 130 MB."""


def lists(keys: Iterable[PrimaryKey]) -> Iterator[list[PrimaryKey]]:
    """Cuts keys into lists for `key_in` that a request can hold; none is empty."""
    listed: list[PrimaryKey] = []
    size = 0
    for key in keys:
        adds = len(literal(key).encode())
        if listed and size + adds > LISTED_BYTES_MAX:
            yield listed
            listed, size = [], 0
        listed.append(key)
        size += adds
    if listed:
        yield listed


def key_in(field: str, keys: Iterable[PrimaryKey]) -> str:
    """Matches the entities that have one of the keys."""
    wanted = list(keys)
    listed = f"{field} in [{', '.join(literal(key) for key in wanted if key != _LEAST)}]"
    return f"({listed} or {_is_least(field)})" if _LEAST in wanted else listed


def _above_least(field: str) -> str:
    return f"{field} >= {_LEAST + 1}"


def _is_least(field: str) -> str:
    return f"{field} < {_LEAST + 1}"
