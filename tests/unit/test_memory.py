"""What a worker's process keeps of the memory that it has freed."""

import subprocess
import sys

FREED_MEGABYTES = 96

CHILD = f"""
import psutil
from engine.memory import hand_back, keep_small

keep_small()
blocks = [b"x" * (1 << 20) for _ in range({FREED_MEGABYTES})]
last = b"x" * (1 << 20)  # at the end of the heap: what is freed below it stays with the process by itself
del blocks
before = psutil.Process().memory_info().rss
hand_back()
print((before - psutil.Process().memory_info().rss) >> 20)
"""


def test_freed_pages_are_handed_back_at_the_end_of_a_phase() -> None:
    """What the copy freed is not resident beside what the proof reads."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert int(done.stdout) > FREED_MEGABYTES / 2
