"""Reads one range of keys whole: its digest, its exact count and, where they are wanted, its pages.

The one place that decides when a range was read completely. Nothing is written here.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from engine.digest import ContentDigest
from engine.errors import DataUnreadable, SourceChanged
from engine.milvus.canonical import canonical_columns
from engine.milvus.pages import CollectionReader, Page
from engine.model import ChunkRange


@dataclass
class Content:
    """What a range holds.

    Attributes:
        counted: Entities by `count(*)`; more than the digest's where several share a key.
        digest: Of the entities that the pages answered.
        pages: The pages themselves, if they were to be kept.
    """

    counted: int
    digest: ContentDigest = field(default_factory=ContentDigest)
    pages: list[Page] = field(default_factory=list)


def read_range(
    reader: CollectionReader, key_range: ChunkRange, page_entities: int, *, keep_max: int = 0
) -> Content:
    """Reads a range until no page is left.

    It is read fast first, and again carefully when the sum is not what the server counts
    (`CollectionReader.pages`): what was left out is then found, or several entities share a key.

    Args:
        reader: Where to read.
        key_range: What to read.
        page_entities: Entities per page at most.
        keep_max: Entities whose pages are kept at most; 0 keeps no page, and then memory does not
            grow with the range.

    Raises:
        SourceChanged: The range holds more than may be kept.
        DataUnreadable: The server answered keys out of order.
    """
    counted = reader.count(key_range.partition, key_range.lower, key_range.upper)
    keep = keep_max > 0
    if keep and counted > keep_max:
        raise SourceChanged(
            f"{key_range.collection}: the source was written to during the migration: a range of "
            f"{key_range.entities:,} entities holds {counted:,} now.",
            state="What was copied before stands on the target.",
            next_step="Stop the writers, drop the target's collection and migrate again.",
        )
    with suppress(DataUnreadable):
        content = _read(reader, key_range, page_entities, counted, keep=keep, careful=False)
        if content.digest.count == counted:
            return content
    return _read(reader, key_range, page_entities, counted, keep=keep, careful=True)


def _read(
    reader: CollectionReader,
    key_range: ChunkRange,
    page_entities: int,
    counted: int,
    *,
    keep: bool,
    careful: bool,
) -> Content:
    content = Content(counted)
    for page in reader.pages(
        key_range.partition,
        key_range.lower,
        key_range.upper,
        limit=page_entities,
        careful=careful,
    ):
        content.digest.add(canonical_columns(page.columns, len(page.keys)))
        if keep:
            content.pages.append(page)
    return content
