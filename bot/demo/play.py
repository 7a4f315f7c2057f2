"""What `ferry demo` shows: the world with its page until Ctrl-C, or the story and its threads.

It prints; the world is started in `world.py`, and people act in `story.py`.
"""

import logging
import signal
import threading
from contextlib import ExitStack

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from bot import logs
from bot.demo.clusters import ServerFailed, is_free
from bot.demo.people import SOURCE, TARGET
from bot.demo.story import StoryFailed, tell
from bot.demo.world import World, world

PORT = 8787
"""The page's port where nothing else has it: an address that stays the same can be kept open in a browser."""

FIRST_STEPS = """\
1. You are Ada, in #migrations. Type [bold]/migrate[/bold]. Source cluster: [bold]{source}[/bold].
   Target cluster: [bold]{target}[/bold]. Everything else may stay as it is.
2. Act as Linus (left edge) and press Approve: he has no role, so he is refused. So is Ada: it is her own request.
3. Act as Grace and approve. The thread shows the progress, the verification and how it ended.

Ctrl-C ends everything and leaves nothing behind."""


def run(port: int | None, *, script: bool) -> int:
    """Runs the demo; returns the exit status (`bot.demo.run`)."""
    console = Console(highlight=False)
    errors = Console(stderr=True, highlight=False)
    logs.configure(logging.WARNING)
    if port is not None and not is_free(port):
        errors.print(f"Port {port} is in use. Nothing was started. Choose another with --port.")
        return 2
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
    ):  # a shell's background jobs ignore SIGINT unless told
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as ends:
            with console.status("Starting two clusters, a Slack workspace and the bot"):
                running = ends.enter_context(world(port or (PORT if is_free(PORT) else 0)))
            return _story(console, running) if script else _page(console, running)
    except KeyboardInterrupt:
        errors.print("Interrupted; everything was ended." if script else "Everything was ended.")
        return 7 if script else 0
    except (ServerFailed, StoryFailed, TimeoutError) as failure:
        errors.print(str(failure), markup=False, soft_wrap=True)
        return 7


def _page(console: Console, running: World) -> int:
    """Shows the address and what to try, then waits for Ctrl-C."""
    steps = FIRST_STEPS.format(source=SOURCE, target=TARGET)
    console.print(f"\nThe Slack workspace: [bold]{running.sandbox.url}[/bold]\n")
    console.print(_clusters(running))
    console.print(Panel(steps, title="What to try first", title_align="left", expand=False))
    threading.Event().wait()
    return 0


def _story(console: Console, running: World) -> int:
    """Plays the story while it prints what happens, then the threads."""
    console.print(_clusters(running))
    threads = tell(running, lambda text: console.print(text, markup=False, soft_wrap=True))
    for title, text in threads:
        console.rule(title, align="left")
        console.print(text, markup=False, soft_wrap=True)
    return 0


def _clusters(running: World) -> Table:
    table = Table(title=f"In {SOURCE}", title_justify="left")
    table.add_column("collection")
    table.add_column("entities", justify="right")
    for name, entities in sorted(running.made.items()):
        table.add_row(name, f"{entities:,}")
    return table
