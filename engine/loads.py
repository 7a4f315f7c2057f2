"""Has the collections of one cluster loaded while they are read, and leaves each as it was found, whatever happens in between.

How a collection was found is in the ledger before it is loaded, so that whoever goes on after a crash knows it too. Where several
migrations read one collection, the last of them puts it back. What someone else releases while it is read is loaded again.
"""

import threading
from collections.abc import Callable
from typing import Final, Literal

from engine import crashpoints
from engine.ledger import Ledger
from engine.milvus import definitions, failures, loading
from engine.milvus.connection import Cluster
from engine.model import CollectionState, Lease

Mark = Literal["source_was_loaded", "target_was_loaded"]
"""The field of `CollectionState` that says how a collection was found."""

SOURCE: Final[Mark] = "source_was_loaded"
TARGET: Final[Mark] = "target_was_loaded"


class Loads:
    """The loads of one side for one attempt.

    Args:
        cluster: The side.
        ledger: Where it is recorded how collections were found.
        lease: The worker's right to write there.
        mark: Where, of a collection's state.
    """

    def __init__(self, cluster: Cluster, ledger: Ledger, lease: Lease, mark: Mark) -> None:
        self.cluster = cluster
        self._ledger = ledger
        self._lease = lease
        self._mark: Mark = mark
        self._borrowed: set[str] = set()
        self._kept: dict[str, int] = {}
        self._loading = threading.Lock()
        cluster.reload = self._reload

    def borrow(self, state: CollectionState) -> None:
        """Has a collection loaded from now on; as it was found it was recorded, if not before, then now."""
        name = state.name
        if getattr(state, self._mark) is None:
            found = not loading.is_released(self.cluster, name) and not self._is_anothers(name)
            self._set(name, found=found)
        if not loading.is_loaded(self.cluster, name):
            crashpoints.reached("loading_source")
            loading.load(self.cluster, name)
            crashpoints.reached("source_loaded")
        self._borrowed.add(name)

    def keep(self, name: str, replicas: int) -> None:
        """Has a collection that is loaded, and stays so, loaded from now on too: that many times."""
        self._kept[name] = replicas

    def _reload(self, name: str) -> bool:
        """Waits for what is not loaded any more; several readers may come to it.

        What a server that was started again is loading by itself nobody released. What somebody did is loaded again, and where it
        was borrowed it is released again in the end.
        """
        if name not in self._borrowed and name not in self._kept:
            return False
        with self._loading:
            released = loading.is_released(self.cluster, name)
            if released and name in self._borrowed:
                self._set(name, found=False)
            copies = self._kept.get(name, 1)
            if released or self._is_in_part(name):
                if self.cluster.told is not None:
                    self.cluster.told(failures.released(self.cluster.endpoint.name, name))
                loading.ask(self.cluster, name, copies)
            loading.wait(self.cluster, name, copies)
        return True

    def _is_in_part(self, name: str) -> bool:
        """Whether it is loaded, and a partition of it is not."""
        if not loading.is_loaded(self.cluster, name):
            return False
        partitions = definitions.partition_names(self.cluster, name)
        return not all(loading.is_loaded(self.cluster, name, each) for each in partitions)

    def put_back(self, released: Callable[[int], None]) -> None:
        """Releases whatever was released when it was found, and forgets how all of them were found.

        Args:
            released: Called after each with how many are left: a server releases one after the other, each in a second (measured).
        """
        self._borrowed.clear()
        self._kept.clear()
        states = self._ledger.collection_states(self._lease.migration_id)
        marked = [state for state in states if getattr(state, self._mark) is not None]
        marked.sort(key=lambda state: bool(getattr(state, self._mark)))
        for place, state in enumerate(marked, 1):
            self.give_back(state)
            released(len(marked) - place)

    def give_back(self, state: CollectionState) -> None:
        """Releases one collection if it was released when it was found, and forgets how it was found."""
        found = getattr(state, self._mark)
        if found is False and not self._handed_on(state.name):
            crashpoints.reached("releasing")
            self._release(state.name)
            crashpoints.reached("released")
        if found is not None:
            self._set(state.name, found=None)

    def _release(self, name: str) -> None:
        try:
            loading.release(self.cluster, name)
        except failures.MilvusRefused:
            gone = definitions.describe(self.cluster, name) is None
            if not gone:  # what was dropped is not loaded either
                raise

    def _is_anothers(self, name: str) -> bool:
        return self._mark == SOURCE and self._ledger.is_loaded_for_another(self._lease, name)

    def _handed_on(self, name: str) -> bool:
        return self._mark == SOURCE and self._ledger.hand_load_on(self._lease, name)

    def _set(self, name: str, *, found: bool | None) -> None:
        self._ledger.set_collection(self._lease, name, **{self._mark: found})
