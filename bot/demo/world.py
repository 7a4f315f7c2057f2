"""The demo's world, started and ended as one: two clusters, one of them filled, the Slack workspace, and the bot in it.

It starts and ends things; what people do in it is `story.py`.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bot.demo import people
from bot.demo.clusters import Server, lite_pair
from bot.runtime import Bot, Pace, running_bot
from bot.sandbox import Sandbox
from bot.scheduler import Ticks
from engine.milvus.sample import fill

PACE = Pace(
    ticks=Ticks(plan=0.5, start=0.2),
    progress_seconds=0.5,
    narrator_seconds=0.25,
    rates={},  # the sandbox does not count; Slack's own limits are for serve
)
"""Quicker than against Slack: nobody who tries it should wait for a tick."""


class World(NamedTuple):
    """What runs.

    Attributes:
        source: The filled cluster.
        target: The empty cluster.
        made: Entities by collection of the source.
    """

    sandbox: Sandbox
    bot: Bot
    source: Server
    target: Server
    made: dict[str, int]


@contextmanager
def world(port: int = 0, *, scale: float = 1.0) -> Iterator[World]:
    """Everything, ready when the block begins, gone when it ends, with all of its files.

    Args:
        port: Of the page; 0 takes a free one.
        scale: Multiplies the entities of the source; 1.0 makes 16,500.

    Raises:
        OSError: The page's port is in use.
        ServerFailed: A cluster did not start.
    """
    with (
        tempfile.TemporaryDirectory(prefix="ferry-demo-", ignore_cleanup_errors=True) as name,
        Sandbox(people.workspace(), port=port) as sandbox,
        lite_pair(Path(name)) as (source, target),
    ):
        made = fill(source.uri, scale=scale, flushed=True)
        settings = people.settings(
            Path(name), slack_api=sandbox.api_url, source=source.uri, target=target.uri
        )
        people.new_clusters(Path(name)).mkdir()
        with running_bot(settings, pace=PACE) as bot:
            sandbox.wait_for_app()
            yield World(sandbox, bot, source, target, made)
