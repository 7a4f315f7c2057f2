"""The demo: a local Slack workspace, two Milvus Lite clusters with data and the bot, joined in one process.

`run` is what `ferry demo` calls. Everything it starts ends with it, and nothing is left on disk.
"""

import importlib
import sys

EXTRA = "demo"


def run(port: int | None = None, *, script: bool = False) -> int:
    """Runs the demo until Ctrl-C, or plays the story by itself.

    Args:
        port: Of the page; None takes 8787, or a free one when that is in use.
        script: Play the story, print the threads and end.

    Returns:
        0 when the demo was ended by its user, or the story ended as it should; 2 when it cannot start as asked; 7 when it failed.
    """
    try:
        play = importlib.import_module("bot.demo.play")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] in {"bot", "engine"}:
            raise
        sys.stderr.write(
            f"The demo needs the package {missing.name}, which is not installed. Nothing was started. "
            f"Install Ferry with its extra: pip install 'ferry[{EXTRA}]'.\n"
        )
        return 2
    status: int = play.run(port, script=script)
    return status
