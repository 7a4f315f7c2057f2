"""How the bot logs: structlog, one line per event on standard error, JSON unless a person looks at a terminal."""

import logging
import sys

import structlog


def configure(level: int = logging.INFO) -> None:
    """Set up structlog and what the libraries log through the standard module; call it once, from a command."""
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)
    # APScheduler warns when a woken round still runs; the next tick comes within a second.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
