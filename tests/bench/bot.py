"""The bot as a process of its own, without a budget for its messages: `python -m tests.bench.bot FERRY_YML`, ended by SIGTERM."""

import signal
import sys
import threading
from pathlib import Path

from bot import logs
from bot.runtime import PACE, running_bot
from bot.settings import load


def main() -> None:
    """Serves until SIGTERM."""
    logs.configure()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with running_bot(load(Path(sys.argv[1])), pace=PACE._replace(rates={})):
        ended.wait()


if __name__ == "__main__":
    main()
