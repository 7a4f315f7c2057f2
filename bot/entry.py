"""What the console script calls: the command line, or a sentence where Ctrl-C came while its parts were still being read."""

import io
import sys


def main() -> None:
    """Runs `bot.cli`; what the terminal's encoding does not have is written as its code, and ends nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from bot.cli import main as run  # noqa: PLC0415  # takes a second, in which somebody may type Ctrl-C
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. Nothing was started.\n")
        sys.exit(130)
    run()
