"""Finds primary keys that several entities share: a query answers one of them, `count(*)` counts all.

Milvus 2.3.5 keeps both entities when a key is inserted twice; the counts differ and no page shows
why. Nothing is written here.
"""

from collections.abc import Iterator, Sequence

from engine.milvus.pages import CollectionReader
from engine.model import PrimaryKey

_KEYS_PER_COUNT = 1_000


def repeated_keys(
    reader: CollectionReader, partition: str, keys: Sequence[PrimaryKey]
) -> Iterator[tuple[PrimaryKey, int]]:
    """Yields each key that more than one entity has, with how many have it.

    Args:
        reader: Where to look.
        partition: The partition's name; "" for all.
        keys: Keys that exist, as pages answered them.
    """
    for start in range(0, len(keys), _KEYS_PER_COUNT):
        yield from _halve(reader, partition, keys[start : start + _KEYS_PER_COUNT])


def _halve(
    reader: CollectionReader, partition: str, keys: Sequence[PrimaryKey]
) -> Iterator[tuple[PrimaryKey, int]]:
    entities = reader.count_keys(partition, keys)
    if entities <= len(keys):
        return
    if len(keys) == 1:
        yield keys[0], entities
        return
    middle = len(keys) // 2
    yield from _halve(reader, partition, keys[:middle])
    yield from _halve(reader, partition, keys[middle:])
