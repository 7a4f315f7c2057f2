"""Where chunks run: two pools of threads with a bounded number of chunks in flight between them.

Readers and writers of their own keep both servers busy (0.88–0.91 of the bound; one pool that reads
and writes in turn reached 0.65–0.75). It knows nothing of Milvus or the ledger.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Content = TypeVar("Content")

READERS = 2
WRITERS = 3
WAITING_MAX = 1
"""Chunks that are read and wait for a writer; bounds memory."""


def pipeline(
    items: Iterable[Item],
    read: Callable[[Item], Content],
    write: Callable[[Content], None],
    *,
    readers: int = READERS,
    writers: int = WRITERS,
) -> None:
    """Reads and writes every item, several at a time.

    `items` is drawn in the caller's thread, which may raise from it to stop: what is in flight is
    then finished, so that every chunk that was written also leaves its receipt. The same holds
    after a failure in a reader or a writer.

    Raises:
        BaseException: What `items` raised, caused by what failed before it; else the first that
            `read` or `write` raised; once nothing is in flight.
    """
    slots = threading.Semaphore(readers + WAITING_MAX + writers)
    failures: list[BaseException] = []

    def written(done: Future[None]) -> None:
        error = done.exception()
        if error is not None:
            failures.append(error)
        slots.release()

    def was_read(done: Future[Content]) -> None:
        error = done.exception()
        if error is not None:
            failures.append(error)
            slots.release()
        else:
            writing.submit(write, done.result()).add_done_callback(written)

    with (
        _raised(failures),
        ThreadPoolExecutor(writers, "writer") as writing,
        ThreadPoolExecutor(readers, "reader") as reading,
    ):
        for item in items:
            slots.acquire()
            if failures:
                break
            reading.submit(read, item).add_done_callback(was_read)


@contextmanager
def _raised(failures: list[BaseException]) -> Iterator[None]:
    """Raises the first failure when the block ends; one that ends the block is raised, caused by it."""
    try:
        yield
    except BaseException as stopped:
        if failures:
            raise stopped from failures[0]
        raise
    if failures:
        raise failures[0]
