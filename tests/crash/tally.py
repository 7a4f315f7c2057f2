"""What random walks did and found."""

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What walks did and found; several threads add to it."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str, number: int = 1) -> None:
        """Adds to what was done."""
        with self.lock:
            self.counts[what] += number

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.counts.items()))
        return "\n".join([f"{kinds}; {len(self.wrong)} wrong", *self.wrong])
