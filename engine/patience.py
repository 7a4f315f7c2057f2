"""Says what a long step is at, once it has lasted for a while; of a short one nobody hears. It decides nothing."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

PATIENCE_SECONDS: Final = 5.0
"""How long a step may last before it is told: small collections are loaded in 2 s."""

Say = Callable[[str], None]
"""Takes why there is a wait, a sentence for people; "" when it is over."""


def unheard(_sentence: str) -> None:
    """Takes what nobody wants to hear."""


def placed(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each name with its place, as a sentence says it: "3 of 12 collections"."""
    return (
        (name, f"{place:,} of {len(names):,} collections") for place, name in enumerate(names, 1)
    )


@contextmanager
def patiently(say: Say | None, sentence: str) -> Iterator[Callable[[], None]]:
    """A block that may last: whoever goes through it calls what this yields now and then, and after a while the sentence is said.

    Args:
        say: Takes the sentence, again at each later call, and "" after the block if it was said; None hears nothing.
        sentence: What is being done.
    """
    due, said = time.monotonic() + PATIENCE_SECONDS, False

    def still() -> None:
        nonlocal said
        if say is not None and time.monotonic() >= due:
            said = True
            say(sentence)

    try:
        yield still
    finally:
        if said and say is not None:
            say("")
