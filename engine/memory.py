"""Keeps a copying process small and its collector quiet; it touches nothing but the process's own memory."""

import ctypes
import gc
from functools import cache

_M_ARENA_MAX = -8
"""mallopt(3): how many arenas there may be at most."""
_ARENAS = 2

_COLLECT_AFTER = 50_000
"""Objects made and not freed before the collector looks at the young ones; Python's 700 took it through each chunk many times."""


@cache
def keep_small() -> None:
    """Bounds what the allocator keeps of freed pages, where the C library is glibc, and spares the collector what was imported.

    Once per process. glibc gives almost each thread an arena of its own, and keeps in it what one thread read and another one
    freed. Measured peak of 100,000 × 768-d: 316 MB, with two arenas 287 MB (177 MB are the imported libraries). Handing large
    blocks back to the system (M_MMAP_THRESHOLD) saves 20 MB more and costs a second of CPU per 100,000 in page faults, so that is
    not done. The collector took 9 % of a copy's CPU, nearly all of it in objects that live as long as the process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
