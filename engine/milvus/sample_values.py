"""Values for sample collections: vectors, words and awkward keys, the same for the same seed. Pure; it talks to no server."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = dict[str, Any]

NOUNS = ("river", "harbour", "ferry", "cargo", "lantern", "bridge", "compass", "island", "tide")
VERBS = ("carries", "crosses", "finds", "keeps", "leaves", "lifts", "reaches", "watches")
ADJECTIVES = ("early", "quiet", "narrow", "broken", "silver", "distant", "heavy", "patient")

AWKWARD = (
    'say "{n}"',
    "it's {n}",
    "C:\\new\\table{n}",
    "trailing {n}\\",
    "line\n{n}",
    "tab\t{n}\r",
    '{{"id": {n}}}',
    '" or id != "{n}',
    "100%_{n}",
    "größer-{n}",
    "渡し船-{n}",
    "⛴️ {n}",
    "e\u0301-{n}",
    " {n} ",
)
"""Key families that break naive filter expressions; every key holds its number, so that all differ."""


def awkward_key(number: int) -> str:
    """A VARCHAR key: every second one is plain, the others come from the families of `AWKWARD` in turn."""
    half, odd = divmod(number, 2)
    return AWKWARD[half % len(AWKWARD)].format(n=number) if odd else f"doc-{number:06d}"


def vectors(count: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Normally distributed float vectors, `count` × `dim`."""
    return np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32)


def sentence(random: np.random.Generator) -> str:
    """Eight words that read like a sentence, for text search."""
    adjective, noun, verb, other = (
        words[int(random.integers(len(words)))] for words in (ADJECTIVES, NOUNS, VERBS, NOUNS)
    )
    return f"The {adjective} {noun} {verb} the {other} before night."


def products(count: int, *, seed: int, dim: int = 128) -> Iterator[Row]:
    """INT64 keys from 1, a vector, a name and a price."""
    random = np.random.default_rng(seed)
    for number, vector in enumerate(vectors(count, dim, seed), 1):
        name = f"{ADJECTIVES[number % len(ADJECTIVES)]} {NOUNS[number % len(NOUNS)]} {number}"
        price = round(float(random.uniform(1, 500)), 2)
        yield {
            "id": number,
            "embedding": vector,
            "name": name,
            "price": price,
            "in_stock": number % 7 != 0,
        }


def articles(count: int, *, seed: int) -> Iterator[Row]:
    """Texts of three sentences; the server makes their sparse vectors."""
    random = np.random.default_rng(seed)
    for number in range(1, count + 1):
        text = " ".join(sentence(random) for _ in range(3))
        yield {"id": number * 1_000_003, "title": f"Log entry {number}", "text": text}


def documents(count: int, *, seed: int, dim: int = 64) -> Iterator[Row]:
    """Awkward VARCHAR keys, a vector and a title."""
    for number, vector in enumerate(vectors(count, dim, seed)):
        yield {"id": awkward_key(number), "embedding": vector, "title": f"Bill of lading {number}"}


def events(count: int, *, seed: int, nulls: bool, dim: int = 32) -> Iterator[Row]:
    """JSON, arrays, and keys outside the schema (dynamic field) in two of three entities.

    Args:
        count: How many.
        seed: Of the vectors and numbers.
        nulls: Whether nullable fields are left null, and fields with a default left out, in every third entity.
        dim: Of the vector.
    """
    random = np.random.default_rng(seed)
    for number, vector in enumerate(vectors(count, dim, seed)):
        row: Row = {
            "id": number - count // 2,
            "embedding": vector,
            "payload": payload(number),
            "tags": [NOUNS[(number + step) % len(NOUNS)] for step in range(number % 4)],
            "readings": [float(np.float32(value)) for value in random.random(number % 5)],
            "priority": number % 10,
            "region": ("north", "south", "")[number % 3],
        }
        if nulls and number % 3 == 0:
            row |= {"payload": None, "tags": None, "region": None}
            del row["priority"]
        if number % 3:
            row |= {
                "captain": f"c-{number % 11}",
                "delay minutes": number % 60,
                "route": {"stops": [number, None]},
            }
        yield row


def payload(number: int) -> Row:
    """A JSON object with nesting, nulls, unicode, quotes, big and fractional numbers."""
    return {
        "number": number,
        "ratio": number / 7,
        "note": f'berth "{number}" – Anlegestelle\n',
        "nested": {"list": [1, 2.5, None, True, {"deep": []}], "empty": {}},
        "big": 2**53 + number,
    }
