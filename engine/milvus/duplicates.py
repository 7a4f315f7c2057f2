"""Finds primary keys that several entities share: a query answers one of them, `count(*)` counts all.

Milvus 2.3.5 keeps both entities when a key is inserted twice; the counts differ and no page shows
why. Nothing is written here.
"""

from collections.abc import Iterator, Sequence

from engine.milvus.pages import CollectionReader
from engine.model import PrimaryKey

_KEYS_PER_COUNT = 1_000
_COUNTS = 2
"""How often more entities than keys have to be counted: servers count too many for a moment (milvus #27515, #43117)."""


def surplus(reader: CollectionReader, partition: str, keys: Sequence[PrimaryKey]) -> int:
    """Counts the entities that share the key of another one: each key costs its place in one request, in two where some do.

    Args:
        reader: Where to look.
        partition: The partition's name; "" for all.
        keys: Keys that exist, as pages answered them.
    """
    return sum(_shared(reader, partition, some) for some in _counted_together(keys))


def repeated_keys(
    reader: CollectionReader, partition: str, keys: Sequence[PrimaryKey]
) -> Iterator[tuple[PrimaryKey, int]]:
    """Yields each key that more than one entity has, with how many have it; the arguments are those of `surplus`.

    Of shared keys half are sent again for each halving.
    """
    for some in _counted_together(keys):
        yield from _halved(reader, partition, some, reader.count_keys(partition, some))


def _shared(reader: CollectionReader, partition: str, keys: Sequence[PrimaryKey]) -> int:
    """How many more entities have these keys than there are keys."""
    for _ in range(_COUNTS):
        entities = reader.count_keys(partition, keys)
        if entities <= len(keys):
            return 0
    return entities - len(keys)


def _counted_together(keys: Sequence[PrimaryKey]) -> Iterator[Sequence[PrimaryKey]]:
    return (keys[start : start + _KEYS_PER_COUNT] for start in range(0, len(keys), _KEYS_PER_COUNT))


def _halved(
    reader: CollectionReader, partition: str, keys: Sequence[PrimaryKey], entities: int
) -> Iterator[tuple[PrimaryKey, int]]:
    """Counts one half of keys that so many entities have; the other one has the rest."""
    if entities <= len(keys):
        return
    if len(keys) == 1:
        # By itself: what is left of two counts may be what one of them had too many for a moment (as above).
        counted = reader.count_keys(partition, keys)
        if counted > 1:
            yield keys[0], counted
        return
    middle = len(keys) // 2
    counted = reader.count_keys(partition, keys[:middle])
    yield from _halved(reader, partition, keys[:middle], counted)
    yield from _halved(reader, partition, keys[middle:], entities - counted)
