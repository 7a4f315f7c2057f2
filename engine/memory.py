"""Keeps a copying process small and its collector quiet; it touches nothing but the process's own memory."""

import ctypes
import gc
from functools import cache

_MALLOPT = {
    "M_ARENA_MAX": (-8, 2),
    "M_TRIM_THRESHOLD": (-1, 16 << 20),
    "M_MMAP_THRESHOLD": (-3, 32 << 20),
}
"""mallopt(3): how many arenas there are at most, how many free bytes at the end of one stay with the process, and from which size
on a block is got from the system and handed back to it at once."""

_COLLECT_AFTER = 50_000
"""Objects made and not freed before the collector looks at the young ones; Python's 700 took it through each chunk many times."""


@cache
def keep_small() -> None:
    """Bounds what the allocator keeps of freed pages, where the C library is glibc, and spares the collector what was imported.

    Once per process. glibc gives almost each thread an arena of its own, and keeps in it what one thread read and another one
    freed: with two arenas the peak of 100,000 × 768-d was 30 MB lower (measured). Left to itself it hands the pages of almost
    each chunk back to the system and gets them anew, which costs 0.3 s of system time per 100,000 × 768-d, of 0.8; with these
    thresholds the peak is 20 to 30 MB higher, with smaller ones nothing is saved. The collector took 9 % of a copy's CPU, nearly
    all of it in objects that live as long as the process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _MALLOPT.values():
            mallopt(option, value)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])


def hand_back() -> None:
    """Gives the freed pages that the allocator keeps back to the system, where the C library is glibc; once a phase.

    What the copy freed would be resident beside what the proof reads: at a million entities of 768-d the peak was 300 MB, and
    is 263 MB with the copy's pages handed back first (measured).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
