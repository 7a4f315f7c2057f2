"""Does the same with each of many collections: with several small ones at once, and with the large ones one by one.

Most of what a small one takes is the wait for its read points, which a server reaches 0.2 s to 0.4 s later (measured); of large
ones the pages of several would be in memory at once. It knows nothing of what is done.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from engine.executors import pipeline
from engine.ledger import Ledger
from engine.model import CollectionPlan

AT_ONCE: Final = 8
"""How many of them."""

SMALL_CHUNKS: Final = 1
"""How many chunks a small collection has at most: what is in memory is then about what a large one's readers hold."""

Item = TypeVar("Item")


def together(
    ledger: Ledger,
    migration_id: str,
    plans: Iterable[CollectionPlan],
    work: Callable[[CollectionPlan], None],
    check: Callable[[], None],
) -> None:
    """Does the work for each collection of a migration, the small ones first.

    Args:
        ledger: Knows how many chunks each has.
        migration_id: The migration.
        plans: Its collections.
        work: May be called from several threads.
        check: Called before each; raises a `StopWork` when the work must end.

    Raises:
        BaseException: What `check` raised, or the first that `work` raised; once nothing is under way.
    """
    small: list[CollectionPlan] = []
    large: list[CollectionPlan] = []
    for plan in plans:
        few = ledger.chunk_sums(migration_id, plan.name).chunks <= SMALL_CHUNKS
        (small if few else large).append(plan)
    pipeline(checked(small, check), work, lambda _: None, readers=AT_ONCE, writers=1)
    for plan in checked(large, check):
        work(plan)


def checked(items: Iterable[Item], *checks: Callable[[], None]) -> Iterator[Item]:
    """The items, with these checks before each."""
    for item in items:
        for check in checks:
            check()
        yield item
