"""Reads one range of keys whole: its digest, its exact count and, where they are wanted, its pages.

The one place that decides when a range was read completely. Nothing is written here.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from engine.errors import DataUnreadable
from engine.milvus.canonical_page import canonical_page
from engine.milvus.pages import CollectionReader, Page
from engine.model import ChunkRange
from engine.proof.digest import ContentDigest


@dataclass
class Content:
    """What a range holds.

    Attributes:
        counted: Entities by `count(*)`, or as many as were known; more than the digest's where several share a key.
        digest: Of the entities that the pages answered.
        bytes: Size of their columns.
        pages: The pages themselves, if they were to be kept and `kept` is True.
        kept: False where the pages were too large to be kept.
    """

    counted: int = 0
    digest: ContentDigest = field(default_factory=ContentDigest)
    bytes: int = 0
    pages: list[Page] = field(default_factory=list)
    kept: bool = True


def read_range(
    reader: CollectionReader,
    key_range: ChunkRange,
    page_entities: int,
    *,
    keep_bytes: int = 0,
    without: str = "",
    known: Callable[[ContentDigest], bool] | None = None,
) -> Content:
    """Reads a range until no page is left.

    It is read fast first, and again carefully when the sum is not what the server counts
    (`CollectionReader.pages`): what was left out is then found, or several entities share a key.

    Args:
        reader: Where to read.
        key_range: What to read.
        page_entities: Entities per page at most.
        keep_bytes: Bytes of pages that are kept at most: memory does not grow with the range,
            whatever became of it since it was planned.
        without: A field that is left out of the digest.
        known: Says whether that is what the range holds; it is not counted then. Whether entities share a key only a count
            can tell: the caller has one of more than this range.

    Raises:
        DataUnreadable: The server answered keys out of order.
    """
    count = partial(reader.count, key_range.partition, key_range.lower, key_range.upper)
    read = partial(_read, reader, key_range, page_entities, keep_bytes, without)
    counted = None if known else count()
    with suppress(DataUnreadable):
        content = read(careful=False)
        content.counted = content.digest.count if counted is None else counted
        if known(content.digest) if known else content.digest.count == counted:
            return content
    # Servers count wrongly for a while after upserts and after a load (milvus #27515, #43117): they are asked again.
    counted = count()
    content = read(careful=True)
    content.counted = counted
    return content


def _read(
    reader: CollectionReader,
    key_range: ChunkRange,
    page_entities: int,
    keep_bytes: int,
    without: str,
    *,
    careful: bool,
) -> Content:
    content = Content()
    for page in reader.pages(
        key_range.partition,
        key_range.lower,
        key_range.upper,
        limit=page_entities,
        careful=careful,
    ):
        columns = canonical_page(page)
        columns.pop(without, None)
        content.digest.add(columns)
        content.bytes += page.bytes
        content.kept = content.bytes <= keep_bytes
        if content.kept:
            content.pages.append(page)
        else:
            content.pages.clear()
    return content
