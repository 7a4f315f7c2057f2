"""Runs Python code, as `python -c` does: what a test wants done in a process of its own."""

import sys


def main() -> None:
    """Runs the first argument; the others are the code's own."""
    code = sys.argv.pop(1)
    exec(code, {"__name__": "__main__"})  # it is the test's
